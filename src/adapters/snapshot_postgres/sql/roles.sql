-- The roles of the services. Role names cannot be parameters of a statement, so the server
-- itself quotes them: %1$I is the role, %2$L the SCRAM verifier of its password (never the
-- password itself).

-- name: render
SELECT format($1::text, VARIADIC $2::text[]);

-- name: too_mighty
-- Why $1 must not become a service's role: null if nothing speaks against it.
SELECT CASE
    WHEN role.rolsuper THEN 'is a superuser'
    WHEN role.rolbypassrls THEN 'bypasses row-level security'
    WHEN EXISTS (
        SELECT FROM pg_catalog.pg_class AS relation
        WHERE relation.relowner = role.oid
            AND relation.oid IN (to_regclass('public.devices'),
                to_regclass('public.router_config_snapshots'),
                to_regclass('snapshot_ingest.snapshots'))
    ) THEN 'owns the tables'
END
FROM pg_catalog.pg_roles AS role WHERE role.rolname = $1;

-- name: role_exists
SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1);

-- name: create_role
CREATE ROLE %1$I NOLOGIN;

-- name: set_login
ALTER ROLE %1$I LOGIN PASSWORD %2$L;

-- name: grant_ingest
GRANT USAGE ON SCHEMA public, snapshot_ingest TO %1$I;
GRANT SELECT ON public.devices TO %1$I;
GRANT SELECT, INSERT ON public.router_config_snapshots TO %1$I;
GRANT SELECT, INSERT, UPDATE ON snapshot_ingest.heads, snapshot_ingest.snapshots TO %1$I;
GRANT SELECT, INSERT, UPDATE ON snapshot_ingest.quarantine TO %1$I;
GRANT EXECUTE ON FUNCTION snapshot_ingest.forget_settled TO %1$I;
GRANT SELECT, INSERT, UPDATE ON snapshot_ingest.ack_floors, snapshot_ingest.positions TO %1$I;
GRANT SELECT, INSERT ON snapshot_ingest.data_keys, snapshot_ingest.digest_keys TO %1$I;
GRANT SELECT ON snapshot_ingest.migrations TO %1$I;

-- name: grant_reader
GRANT USAGE ON SCHEMA public, snapshot_ingest TO %1$I;
GRANT SELECT ON public.router_config_snapshots TO %1$I;
GRANT SELECT ON ALL TABLES IN SCHEMA snapshot_ingest TO %1$I;

-- name: grant_operator
GRANT USAGE ON SCHEMA public, snapshot_ingest TO %1$I;
GRANT SELECT, UPDATE (config_text, sha256_hash) ON public.router_config_snapshots TO %1$I;
GRANT SELECT, UPDATE, DELETE ON snapshot_ingest.heads, snapshot_ingest.snapshots TO %1$I;
GRANT SELECT, INSERT, UPDATE, DELETE ON snapshot_ingest.data_keys TO %1$I;
GRANT SELECT ON snapshot_ingest.digest_keys TO %1$I;
GRANT SELECT, INSERT, UPDATE ON snapshot_ingest.shredded_tenants TO %1$I;
GRANT SELECT (id, state, stream, stream_created_at, sequence, received_at, tenant_id),
    UPDATE (state, ciphertext) ON snapshot_ingest.quarantine TO %1$I;
GRANT SELECT ON snapshot_ingest.migrations TO %1$I;
