# The worker's: it encrypts, and opens nothing but what still waits for its device or its key, and
# the key of keyed digests; the last line may go while digests are plain.
# `update` alone: with `create`, a name that is wrong would make a new key.
path "transit/encrypt/tenant_*" { capabilities = ["update"] }
path "transit/encrypt/snapshot_ingest_*" { capabilities = ["update"] }
path "transit/decrypt/snapshot_ingest_waiting" { capabilities = ["update"] }
path "transit/decrypt/snapshot_ingest_digest" { capabilities = ["update"] }
