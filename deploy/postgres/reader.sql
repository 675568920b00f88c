-- The rights of a person who reads: ciphertext alone, which the reader's login at OpenBao opens.
-- Run it after each `snapshot-ingest migrate`, in the backend's database, as the tables' owner:
--   psql -v role=snapshot_ingest_reader -f reader.sql
-- The role must exist: CREATE ROLE snapshot_ingest_reader LOGIN; neither SUPERUSER nor BYPASSRLS.
\set ON_ERROR_STOP on
\if :{?role}
\else
    \set role snapshot_ingest_reader
\endif
BEGIN;
GRANT USAGE ON SCHEMA public, snapshot_ingest TO :"role";
GRANT SELECT ON public.router_config_snapshots TO :"role";
GRANT SELECT ON ALL TABLES IN SCHEMA snapshot_ingest TO :"role";
COMMIT;
