-- Counts the rows of one tenant also for a role that is shown those of all: the tables' owner may
-- give our roles policies of their own (deploy/postgres/policies.sql). Otherwise as in 0010.
CREATE OR REPLACE FUNCTION snapshot_ingest.rows_of_others(tenant uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.current_tenant', tenant::text, true);
    RETURN (
        SELECT count(*) FROM public.router_config_snapshots AS r
        WHERE r.tenant_id = tenant AND NOT EXISTS (
            SELECT FROM snapshot_ingest.snapshots AS run WHERE run.snapshot_id = r.id));
END
$$;
