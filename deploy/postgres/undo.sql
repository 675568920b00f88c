-- Takes back all that ingest.sql, reader.sql or operator.sql ever gave to a role, as the tables'
-- owner, in the backend's database:
--   psql -v role=snapshot_ingest -f undo.sql
-- Also after `snapshot-ingest uninstall`.
-- Afterwards the role may do nothing here, so that DROP ROLE takes it away. Where policies.sql was
-- run, policies_undo.sql comes before that.
\set ON_ERROR_STOP on
\if :{?role}
\else
    \warn 'name the role: psql -v role=snapshot_ingest -f undo.sql'
    \quit
\endif
SELECT to_regnamespace('snapshot_ingest') IS NOT NULL AS installed \gset
BEGIN;
REVOKE ALL ON public.devices, public.router_config_snapshots FROM :"role";
REVOKE ALL ON SCHEMA public FROM :"role";
\if :installed
REVOKE ALL ON ALL TABLES IN SCHEMA snapshot_ingest FROM :"role";
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA snapshot_ingest FROM :"role";
REVOKE ALL ON SCHEMA snapshot_ingest FROM :"role";
\endif
COMMIT;
