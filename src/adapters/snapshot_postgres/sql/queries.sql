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
SELECT same FROM snapshot_ingest.unchanged($1, $2, $3, $4, $5, $6) ORDER BY item;

-- name: lock_devices
-- Locks the heads of the owned ones among the batch's devices, in order: before a batch is
-- decided in parts, so that the parts don't take the locks piecemeal.
SELECT snapshot_ingest.lock_heads(ARRAY(
    SELECT ($1::uuid[])[n] FROM unnest(snapshot_ingest.owned_items($1, $2)) AS n));

-- name: store_batch
-- Decides each item, in the items' order, and keeps the data keys $12 to $14.
SELECT answer, snapshot_id, previous_id, next_id,
    pg_current_xact_id_if_assigned()::text AS stored_in
FROM snapshot_ingest.store_batch(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ORDER BY item;

-- name: stored_since
-- The transactions after $1 with $2 snapshots or just more, and the oldest one that still runs: one
-- row without a snapshot if there are none.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS oldest_running, stored_in::text,
    snapshot_id, device_id, tenant_id, digest, digest_key, collected_at,
    sequence, plaintext_bytes, stored_bytes, format, previous_id, next_id
FROM (SELECT) AS one_row
LEFT JOIN snapshot_ingest.stored_since($1::text::xid8, $2) ON true;

-- name: claim_position
-- Where $1 is told on from, if the holder $2 may have it for the time $3: nobody else has it now.
INSERT INTO snapshot_ingest.positions AS kept (name, transaction, holder, held_until)
VALUES ($1, '0'::xid8, $2, clock_timestamp() + $3::interval)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, held_until = clock_timestamp() + $3::interval
WHERE kept.holder IS NULL OR kept.holder = excluded.holder OR kept.held_until <= clock_timestamp()
RETURNING transaction::text;

-- name: move_position
-- Never back, and only by its holder.
UPDATE snapshot_ingest.positions
SET transaction = $3::text::xid8, held_until = clock_timestamp() + $4::interval
WHERE name = $1 AND holder = $2 AND transaction <= $3::text::xid8
RETURNING true;

-- name: let_go_of_position
UPDATE snapshot_ingest.positions SET holder = NULL, held_until = NULL
WHERE name = $1 AND holder = $2
RETURNING true;

-- name: commit_to_disk
-- Whatever the role's default: a message is discarded once it is kept here. Whoever freezes in
-- its transaction lets go of its rows before the others, who wait for them, give up.
SELECT set_config('synchronous_commit', 'on', true), set_config('lock_timeout', '5s', true),
    set_config('idle_in_transaction_session_timeout', '4s', true);

-- name: keep
-- Keeps messages, each once by its origin and time of receipt; in one order, so that no two
-- workers wait for each other. One that is kept already changes only with its reason, one whose
-- digest is not that of its text never, and one that was replayed or dropped stays so.
INSERT INTO snapshot_ingest.quarantine AS known
    (stream, stream_created_at, sequence, subject, received_at, reason, detail, waiting,
     device_id, tenant_id, size_bytes, ciphertext)
SELECT DISTINCT ON (stream, stream_created_at, sequence, received_at) *
FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::text[], $5::timestamptz[],
    $6::text[], $7::text[], $8::boolean[], $9::uuid[], $10::uuid[], $11::bigint[], $12::text[])
    AS message (stream, stream_created_at, sequence, subject, received_at, reason, detail,
        waiting, device_id, tenant_id, size_bytes, ciphertext)
ORDER BY stream, stream_created_at, sequence, received_at
ON CONFLICT (stream, stream_created_at, sequence, received_at) DO UPDATE
SET reason = excluded.reason, detail = excluded.detail, waiting = excluded.waiting,
    device_id = excluded.device_id, tenant_id = excluded.tenant_id,
    ciphertext = excluded.ciphertext,
    kept_at = CASE WHEN excluded.reason = 'orphan' AND known.reason <> 'orphan'
        THEN now() ELSE known.kept_at END
WHERE known.state = 'kept'
    AND known.reason <> 'hash_mismatch'
    AND (known.reason, known.detail) IS DISTINCT FROM (excluded.reason, excluded.detail);

-- name: state_of_server
-- Whether it takes no writes now, which relations among $1 there are not, and which rights on the
-- others, of $1 (relations) and $2 (privileges), the role lacks.
SELECT
    pg_catalog.pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean
        AS read_only,
    ARRAY(
        SELECT DISTINCT relation FROM unnest($1::text[]) AS needed (relation)
        WHERE to_regclass(relation) IS NULL ORDER BY relation
    ) AS missing,
    ARRAY(
        SELECT privilege || ' on ' || relation
        FROM unnest($1::text[], $2::text[]) AS needed (relation, privilege)
        WHERE NOT has_table_privilege(to_regclass(relation), privilege)
    ) AS lacking;

-- name: snapshot_by_id
SELECT * FROM snapshot_ingest.snapshot_by_id($1);

-- name: newest_snapshot
SELECT * FROM snapshot_ingest.newest_snapshot($1);

-- name: wrapped_key
-- The data key $1 as its tenant's key wrapped it.
SELECT tenant_id, wrapped_key FROM snapshot_ingest.data_keys WHERE data_key_id = $1;

-- name: count_devices
-- Devices with a stored snapshot.
SELECT count(*) FROM snapshot_ingest.heads WHERE snapshot_id IS NOT NULL;

-- name: count_snapshots
-- Stored snapshots behind which a message stands: no copies.
SELECT count(*) FROM snapshot_ingest.snapshots WHERE flags & 4 = 0;

-- name: count_quarantined
-- What is kept; not what was replayed or dropped.
SELECT reason, count(*) AS messages
FROM snapshot_ingest.quarantine
WHERE state = 'kept'
GROUP BY reason;

-- name: floor
SELECT stream, consumer, stream_created_at, consumer_created_at, sequence, delivered_sequence,
       deliveries, pending, first_sequence, last_sequence, at
FROM snapshot_ingest.ack_floors
WHERE stream = $1 AND consumer = $2;

-- name: floor_to_replace
-- The same, and nobody else replaces it before this transaction ends.
SELECT stream, consumer, stream_created_at, consumer_created_at, sequence, delivered_sequence,
       deliveries, pending, first_sequence, last_sequence, at
FROM snapshot_ingest.ack_floors
WHERE stream = $1 AND consumer = $2
FOR UPDATE;

-- name: first_floor
-- Keeps the floor of a consumer that has none yet; returns whether it did.
INSERT INTO snapshot_ingest.ack_floors
    (stream, consumer, stream_created_at, consumer_created_at, sequence, delivered_sequence,
     deliveries, pending, first_sequence, last_sequence, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT DO NOTHING
RETURNING true;

-- name: replace_floor
UPDATE snapshot_ingest.ack_floors
SET stream_created_at = $3, consumer_created_at = $4, sequence = $5, delivered_sequence = $6,
    deliveries = $7, pending = $8, first_sequence = $9, last_sequence = $10, at = $11
WHERE stream = $1 AND consumer = $2;

-- name: transactions_at_work
-- The transactions of others that hold or want a lock on the backend's table: whoever has looked at
-- it, or written to it, and has not ended. A vacuum is none of them.
SELECT DISTINCT held.virtualtransaction AS transaction, coalesce(held.pid, 0) AS pid
FROM pg_locks AS held
WHERE held.locktype = 'relation'
    AND held.relation = 'public.router_config_snapshots'::regclass
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND held.mode <> 'ShareUpdateExclusiveLock'
    AND held.pid IS DISTINCT FROM pg_backend_pid()
ORDER BY pid, transaction;
