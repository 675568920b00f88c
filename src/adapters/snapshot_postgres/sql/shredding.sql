-- A tenant whose key is deleted: its rows for the reader, and the rest for the operator.

-- name: row_ids
SELECT snapshot_id FROM snapshot_ingest.row_ids_of_tenant($1) AS snapshot_id;

-- name: rows
SELECT * FROM snapshot_ingest.rows_of_tenant($1, $2, $3);

-- name: may_erase
-- The rights on the quarantine are on columns: the operator reads no ciphertext there.
SELECT has_column_privilege('snapshot_ingest.quarantine', 'ciphertext', 'UPDATE')
    AND has_column_privilege('snapshot_ingest.quarantine', 'state', 'UPDATE')
    AND has_column_privilege('snapshot_ingest.quarantine', 'tenant_id', 'SELECT') AS may;

-- name: kept
SELECT
    (SELECT count(*) FROM snapshot_ingest.heads WHERE tenant_id = $1) AS heads,
    (SELECT count(*) FROM snapshot_ingest.snapshots WHERE tenant_id = $1) AS runs,
    (SELECT count(*) FROM snapshot_ingest.data_keys WHERE tenant_id = $1) AS data_keys,
    (SELECT count(*) FROM snapshot_ingest.quarantine
        WHERE tenant_id = $1 AND state = 'kept') AS quarantined;

-- name: unattributed
SELECT count(*) AS messages
FROM snapshot_ingest.quarantine WHERE tenant_id IS NULL AND state = 'kept';

-- name: devices
-- Those with a run of the tenant; a head points at one of its device's runs.
SELECT DISTINCT device_id FROM snapshot_ingest.snapshots WHERE tenant_id = $1 ORDER BY device_id;

-- name: mark
-- Its rows of until now get no runs again (backfill.sql). Waits for a backfill's batch at work.
INSERT INTO snapshot_ingest.shredded_tenants AS known (tenant_id, erased_at)
VALUES ($1, clock_timestamp())
ON CONFLICT (tenant_id) DO UPDATE SET erased_at = excluded.erased_at;

-- name: erase_timelines
SELECT heads, runs FROM snapshot_ingest.erase_timelines($1, $2);

-- name: erase_data_keys
DELETE FROM snapshot_ingest.data_keys WHERE tenant_id = $1 RETURNING data_key_id;

-- name: erase_quarantined
-- Takes the content from up to $2 of the tenant's kept messages. Locks them in the order in which
-- `keep` does, so that nobody waits for each other.
WITH locked AS (
    SELECT id
    FROM snapshot_ingest.quarantine
    WHERE tenant_id = $1 AND state = 'kept'
    ORDER BY stream, stream_created_at, sequence, received_at
    LIMIT $2
    FOR UPDATE
)
UPDATE snapshot_ingest.quarantine AS message
SET state = 'dropped', ciphertext = NULL
FROM locked
WHERE message.id = locked.id
RETURNING message.id;
