-- Rows that others wrote, as they are brought into the timelines (migrations/0020_existing_rows.sql).

-- name: hidden
SELECT snapshot_ingest.rows_hidden() AS hidden, snapshot_ingest.estimated_rows() AS estimated,
    row_security_active('public.router_config_snapshots') AS held;

-- name: devices_after
SELECT device, owner FROM snapshot_ingest.devices_after($1, $2);

-- name: tenants
SELECT tenant_id FROM snapshot_ingest.all_tenants() AS tenant_id;

-- name: devices_of_unknown_rows
SELECT rows, devices, tenants FROM snapshot_ingest.devices_of_unknown_rows($1);

-- name: add
SELECT looked_at, last_item, added, copies, heads
FROM snapshot_ingest.add_unknown_rows($1, $2, $3, $4);

-- name: finished
INSERT INTO snapshot_ingest.backfills (rows) VALUES ($1);

-- name: was_finished
SELECT EXISTS (SELECT FROM snapshot_ingest.backfills) AS finished;
