-- What the adapters ask, each with a name. Everything under row-level security happens in
-- functions of our schema (migrations/), which set the tenant for one transaction only.

-- name: owners
-- The devices among $1 that exist, with their owners.
SELECT device, owner FROM snapshot_ingest.owners($1);

-- name: devices_hidden
-- Whether no device can be seen although the catalogue says that there are some.
SELECT snapshot_ingest.devices_hidden();

-- name: unchanged
-- For each key whether it seems unchanged, in the keys' order.
SELECT same FROM snapshot_ingest.unchanged($1, $2, $3, $4, $5) ORDER BY item;

-- name: lock_devices
-- Locks the heads of the owned ones among the batch's devices, in order: before a batch is
-- decided in parts, so that the parts don't take the locks piecemeal.
SELECT snapshot_ingest.lock_heads(ARRAY(
    SELECT ($1::uuid[])[n] FROM unnest(snapshot_ingest.owned_items($1, $2)) AS n));

-- name: store_batch
-- Decides each item, in the items' order.
SELECT answer, snapshot_id, previous_id, next_id
FROM snapshot_ingest.store_batch($1, $2, $3, $4, $5, $6, $7, $8, $9)
ORDER BY item;

-- name: commit_to_disk
-- Whatever the role's default: a message is discarded once it is kept here.
SELECT set_config('synchronous_commit', 'on', true), set_config('lock_timeout', '5s', true);

-- name: keep
-- Keeps messages, each once by its origin and time of receipt; in one order, so that no two workers wait for each
-- other.
INSERT INTO snapshot_ingest.quarantine
    (stream, stream_created_at, sequence, subject, received_at, reason, detail, waiting,
     device_id, tenant_id, size_bytes, ciphertext)
SELECT *
FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::text[], $5::timestamptz[],
    $6::text[], $7::text[], $8::boolean[], $9::uuid[], $10::uuid[], $11::bigint[], $12::text[])
    AS message (stream, stream_created_at, sequence, subject, received_at, reason, detail,
        waiting, device_id, tenant_id, size_bytes, ciphertext)
ORDER BY stream, stream_created_at, sequence, received_at
ON CONFLICT DO NOTHING;

-- name: state_of_server
-- Whether it takes no writes now, and the rights among $1 (relations) and $2 (privileges) that
-- the role lacks; a relation that does not exist is lacking too.
SELECT
    pg_catalog.pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean
        AS read_only,
    ARRAY(
        SELECT privilege || ' on ' || relation
        FROM unnest($1::text[], $2::text[]) AS needed (relation, privilege)
        WHERE NOT coalesce(has_table_privilege(to_regclass(relation), privilege), false)
    ) AS lacking;

-- name: snapshot_by_id
SELECT * FROM snapshot_ingest.snapshot_by_id($1);

-- name: newest_snapshot
SELECT * FROM snapshot_ingest.newest_snapshot($1);

-- name: count_devices
-- Devices with a stored snapshot.
SELECT count(*) FROM snapshot_ingest.heads WHERE snapshot_id IS NOT NULL;

-- name: count_snapshots
-- Stored snapshots behind which a message stands: no copies.
SELECT count(*) FROM snapshot_ingest.snapshots WHERE flags & 4 = 0;

-- name: count_quarantined
SELECT reason, count(*) AS messages FROM snapshot_ingest.quarantine GROUP BY reason;
