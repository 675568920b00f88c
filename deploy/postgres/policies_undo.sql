-- Takes back what policies.sql made, and nothing else, as the tables' owner:
--   psql -f policies_undo.sql
-- The backend's policies are as they were. Run it before DROP ROLE, which a policy stands against.
\set ON_ERROR_STOP on
BEGIN;
DROP POLICY IF EXISTS snapshot_ingest_looks_up ON public.devices;
DROP POLICY IF EXISTS snapshot_ingest_reads ON public.router_config_snapshots;
DROP POLICY IF EXISTS snapshot_ingest_stores ON public.router_config_snapshots;
DROP POLICY IF EXISTS snapshot_ingest_replaces ON public.router_config_snapshots;
COMMIT;
