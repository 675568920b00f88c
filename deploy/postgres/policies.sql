-- Optional: policies of ours on the backend's tables, with which our roles see and store rows
-- without `app.current_tenant`. Nothing needs them while the backend's own policies are as they
-- were: our functions set the tenant. See docs/adr/0007.
-- Run it after ingest.sql, reader.sql and operator.sql, as the tables' owner:
--   psql -v ingest=snapshot_ingest -v reader=snapshot_ingest_reader \
--        -v operator=snapshot_ingest_operator -f policies.sql
-- It may be run again. policies_undo.sql takes all of it back.
-- A policy gives no right: what a role may do with the rows that it sees, its grants say. Members
-- of a role see what it sees. Row-level security stays enabled and forced for everybody.
\set ON_ERROR_STOP on
\if :{?ingest}
\else
    \set ingest snapshot_ingest
\endif
\if :{?reader}
\else
    \set reader snapshot_ingest_reader
\endif
\if :{?operator}
\else
    \set operator snapshot_ingest_operator
\endif
BEGIN;
-- PUBLIC is everybody, also in quotes. No role of ours deletes rows: one that may is the
-- backend's, the owner or a superuser.
SELECT set_config('snapshot_ingest.policies_for',
    ARRAY[:'ingest', :'reader', :'operator']::text, true) \g /dev/null
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY current_setting('snapshot_ingest.policies_for')::text[] LOOP
        IF role = 'public'
            OR has_table_privilege(role, 'public.router_config_snapshots', 'DELETE') THEN
            RAISE EXCEPTION '% is no role of snapshot-ingest: name those of ingest.sql, reader.sql '
                'and operator.sql', role;
        END IF;
    END LOOP;
END
$$;

DROP POLICY IF EXISTS snapshot_ingest_looks_up ON public.devices;
CREATE POLICY snapshot_ingest_looks_up ON public.devices
    FOR SELECT TO :"ingest" USING (true);

DROP POLICY IF EXISTS snapshot_ingest_reads ON public.router_config_snapshots;
CREATE POLICY snapshot_ingest_reads ON public.router_config_snapshots
    FOR SELECT TO :"ingest", :"reader", :"operator" USING (true);

DROP POLICY IF EXISTS snapshot_ingest_stores ON public.router_config_snapshots;
CREATE POLICY snapshot_ingest_stores ON public.router_config_snapshots
    FOR INSERT TO :"ingest" WITH CHECK (true);

DROP POLICY IF EXISTS snapshot_ingest_replaces ON public.router_config_snapshots;
CREATE POLICY snapshot_ingest_replaces ON public.router_config_snapshots
    FOR UPDATE TO :"operator" USING (true) WITH CHECK (true);
COMMIT;
