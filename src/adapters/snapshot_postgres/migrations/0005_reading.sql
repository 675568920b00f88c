-- Reading stored snapshots back, for people with the reader's role.

-- A run with its row.
CREATE TYPE snapshot_ingest.stored_snapshot AS (
    snapshot_id uuid, device_id uuid, tenant_id uuid, digest bytea, ciphertext text,
    collected_at timestamptz, sequence bigint, last_seen timestamptz, flags smallint);

-- The snapshot with this id, or none.
CREATE FUNCTION snapshot_ingest.snapshot_by_id(wanted uuid)
RETURNS SETOF snapshot_ingest.stored_snapshot
LANGUAGE plpgsql AS $$
DECLARE
    run snapshot_ingest.snapshots;
BEGIN
    SELECT s.* INTO run FROM snapshot_ingest.snapshots AS s WHERE s.snapshot_id = wanted;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM set_config('app.current_tenant', run.tenant_id::text, true);
    RETURN QUERY
        SELECT run.snapshot_id, run.device_id, run.tenant_id, run.digest, r.config_text,
            run.collected_at, run.sequence, run.last_seen, run.flags
        FROM public.router_config_snapshots AS r WHERE r.id = wanted;
END
$$;

-- The device's newest snapshot whose row still exists, or none.
CREATE FUNCTION snapshot_ingest.newest_snapshot(device uuid)
RETURNS SETOF snapshot_ingest.stored_snapshot
LANGUAGE plpgsql AS $$
DECLARE
    candidate uuid;
BEGIN
    FOR candidate IN
        SELECT run.snapshot_id
        FROM snapshot_ingest.snapshots AS run
        WHERE run.device_id = device
        ORDER BY run.collected_at DESC, run.sequence DESC, run.snapshot_id DESC
    LOOP
        RETURN QUERY SELECT * FROM snapshot_ingest.snapshot_by_id(candidate);
        IF FOUND THEN
            RETURN;
        END IF;
    END LOOP;
END
$$;
