-- The key of keyed digests, and the way from plain digests to keyed ones.

-- name: digest_key
SELECT digest_key_id, wrapped_key FROM snapshot_ingest.digest_keys;

-- name: keep_digest_key
-- Keeps the key $1, wrapped as $2, unless there is one.
SELECT snapshot_ingest.keep_digest_key($1, $2);

-- name: tenants
-- Every tenant with a run.
SELECT DISTINCT tenant_id FROM snapshot_ingest.snapshots ORDER BY tenant_id;

-- name: count_plain
SELECT snapshot_ingest.count_plain_digests($1) AS digests;

-- name: plain
-- Up to $3 runs of the tenant $1 after the id $2, with up to $4 bytes of texts.
SELECT snapshot_id, device_id, digest, envelope
FROM snapshot_ingest.plain_digests($1, $2, $3, $4);

-- name: swap
SELECT snapshot_id FROM snapshot_ingest.swap_digests($1, $2, $3, $4, $5, $6, $7, $8)
    AS snapshot_id;
