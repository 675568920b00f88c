-- Taking our schema away, and what must be known before.

-- name: is_installed
SELECT to_regnamespace('snapshot_ingest') IS NOT NULL AS installed;

-- name: hold
-- Nothing is stored from here on; nobody is waited for longer than so.
SET LOCAL lock_timeout = '5s';
LOCK TABLE snapshot_ingest.heads, snapshot_ingest.snapshots, snapshot_ingest.quarantine
    IN ACCESS EXCLUSIVE MODE;

-- name: act_as
SELECT set_config('app.current_tenant', $1, true);

-- name: rows
-- The rows of the tenant $1 (null: of all that can be seen), and those among them that only we can
-- read or know. Rows of a shredded tenant nobody can read.
SELECT count(*) AS rows,
    count(*) FILTER (WHERE left(r.config_text, 5) = 'si1z:') AS compressed,
    count(*) FILTER (WHERE left(r.config_text, 5) = 'si1e:') AS envelope,
    count(*) FILTER (WHERE run.digest_key IS NOT NULL) AS keyed
FROM public.router_config_snapshots AS r
LEFT JOIN snapshot_ingest.snapshots AS run ON run.snapshot_id = r.id
WHERE ($1::uuid IS NULL OR r.tenant_id = $1)
    AND NOT EXISTS (
        SELECT FROM snapshot_ingest.shredded_tenants AS shredded
        WHERE shredded.tenant_id = r.tenant_id AND r.created_at <= shredded.erased_at);

-- name: rest
-- What else there is: sessions of workers or their floors of just now; roles with rights in our
-- schema; whether policies of ours (deploy/postgres/policies.sql) are on the backend's tables.
SELECT
    (SELECT count(*) FROM snapshot_ingest.snapshots) AS runs,
    (SELECT count(*) FROM snapshot_ingest.quarantine WHERE state = 'kept') AS quarantined,
    (SELECT count(*) FROM pg_catalog.pg_stat_activity
        WHERE datname = current_database() AND application_name = 'snapshot-ingest'
            AND pid <> pg_backend_pid()) AS sessions,
    EXISTS (SELECT FROM snapshot_ingest.ack_floors
        WHERE at > clock_timestamp() - interval '30 seconds') AS floor_moves,
    ARRAY(
        SELECT DISTINCT role.rolname::text
        FROM pg_catalog.pg_namespace AS n
        CROSS JOIN aclexplode(n.nspacl) AS a
        JOIN pg_catalog.pg_roles AS role ON role.oid = a.grantee
        WHERE n.nspname = 'snapshot_ingest' AND a.grantee <> n.nspowner
        ORDER BY 1
    ) AS roles,
    EXISTS (SELECT FROM pg_catalog.pg_policy
        WHERE polrelid IN ('public.devices'::regclass, 'public.router_config_snapshots'::regclass)
            AND polname LIKE 'snapshot\_ingest\_%') AS policies;

-- name: drop
DROP SCHEMA snapshot_ingest CASCADE;
