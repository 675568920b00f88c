-- The rights of whoever runs `rewrap`, `convert`, `digest migrate` or `shred`: on the backend's
-- table only to replace a text or a digest.
-- Run it after each `snapshot-ingest migrate`, in the backend's database, as the tables' owner:
--   psql -v role=snapshot_ingest_operator -f operator.sql
-- The role must exist: CREATE ROLE snapshot_ingest_operator LOGIN; neither SUPERUSER nor BYPASSRLS.
\set ON_ERROR_STOP on
\if :{?role}
\else
    \set role snapshot_ingest_operator
\endif
BEGIN;
GRANT USAGE ON SCHEMA public, snapshot_ingest TO :"role";
GRANT SELECT, UPDATE (config_text, sha256_hash) ON public.router_config_snapshots TO :"role";
GRANT SELECT, UPDATE, DELETE ON snapshot_ingest.heads, snapshot_ingest.snapshots TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON snapshot_ingest.data_keys TO :"role";
GRANT SELECT ON snapshot_ingest.digest_keys TO :"role";
GRANT SELECT, INSERT, UPDATE ON snapshot_ingest.shredded_tenants TO :"role";
GRANT SELECT (id, state, stream, stream_created_at, sequence, received_at, tenant_id),
    UPDATE (state, ciphertext) ON snapshot_ingest.quarantine TO :"role";
GRANT SELECT ON snapshot_ingest.migrations TO :"role";
COMMIT;
