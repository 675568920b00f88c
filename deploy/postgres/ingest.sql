-- The worker's rights: it stores, and deletes nothing.
-- Run it after each `snapshot-ingest migrate`, in the backend's database, as the tables' owner:
--   psql -v role=snapshot_ingest -f ingest.sql
-- The role must exist: CREATE ROLE snapshot_ingest LOGIN; neither SUPERUSER nor BYPASSRLS.
\set ON_ERROR_STOP on
\if :{?role}
\else
    \set role snapshot_ingest
\endif
BEGIN;
GRANT USAGE ON SCHEMA public, snapshot_ingest TO :"role";
GRANT SELECT ON public.devices TO :"role";
GRANT SELECT, INSERT ON public.router_config_snapshots TO :"role";
GRANT SELECT, INSERT, UPDATE ON snapshot_ingest.heads, snapshot_ingest.snapshots TO :"role";
GRANT SELECT, INSERT, UPDATE ON snapshot_ingest.quarantine TO :"role";
GRANT EXECUTE ON FUNCTION snapshot_ingest.forget_settled TO :"role";
GRANT SELECT, INSERT, UPDATE ON snapshot_ingest.ack_floors, snapshot_ingest.positions TO :"role";
GRANT SELECT, INSERT ON snapshot_ingest.data_keys, snapshot_ingest.digest_keys TO :"role";
GRANT SELECT ON snapshot_ingest.migrations TO :"role";
COMMIT;
