-- What `migrate` needs around the migrations themselves.

-- name: lock_migrations
-- One migration at a time in this database; waits for another one at most so long.
SELECT set_config('lock_timeout', '60s', true),
    pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('snapshot_ingest.migrations', 0));

-- name: ensure_record
CREATE SCHEMA IF NOT EXISTS snapshot_ingest;
REVOKE ALL ON SCHEMA snapshot_ingest FROM PUBLIC;
CREATE TABLE IF NOT EXISTS snapshot_ingest.migrations (
    name        text PRIMARY KEY,
    sha256      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
);

-- name: applied_migrations
SELECT name, sha256 FROM snapshot_ingest.migrations;

-- name: record_migration
INSERT INTO snapshot_ingest.migrations (name, sha256) VALUES ($1, $2);

-- name: missing_relations
-- Those among $1 that do not exist.
SELECT relation FROM unnest($1::text[]) AS relation WHERE to_regclass(relation) IS NULL;
