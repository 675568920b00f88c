# The worker's: it encrypts, and opens nothing but what still waits for its device or its key.
# `update` alone: with `create`, a name that is wrong would make a new key.
path "transit/encrypt/tenant_*" { capabilities = ["update"] }
path "transit/encrypt/snapshot_ingest_*" { capabilities = ["update"] }
path "transit/decrypt/snapshot_ingest_waiting" { capabilities = ["update"] }
