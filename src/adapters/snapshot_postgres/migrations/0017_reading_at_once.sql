-- A stored snapshot as it is at one moment: its text may be bound to its digest, and an operator's
-- command may replace both in between two looks.

CREATE OR REPLACE FUNCTION snapshot_ingest.snapshot_by_id(wanted uuid)
RETURNS SETOF snapshot_ingest.stored_snapshot
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := (SELECT s.tenant_id FROM snapshot_ingest.snapshots AS s
        WHERE s.snapshot_id = wanted);
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN QUERY
        SELECT run.snapshot_id, run.device_id, run.tenant_id, run.digest, r.config_text,
            run.collected_at, run.sequence, run.last_seen, run.flags
        FROM snapshot_ingest.snapshots AS run
        JOIN public.router_config_snapshots AS r ON r.id = run.snapshot_id
        WHERE run.snapshot_id = wanted;
END
$$;
