"""Migrations: applied once, in order, by anybody at once, and never over what is not ours."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from snapshot_domain.errors import Misconfigured
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import migrate
from snapshot_postgres.migrate import packaged_migrations
from snapshot_postgres.sql import query, script
from support.postgres import Database, fresh_database

_A_RUN = """
INSERT INTO snapshot_ingest.snapshots
    (snapshot_id, device_id, tenant_id, digest, collected_at, sequence, last_seen,
     last_seen_sequence, plaintext_bytes, stored_bytes, format, flags)
VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
    decode(repeat('00', 32), 'hex'), now(), 1, now(), 1, 1, 1, 'transit', 0)
"""

ALL = [step.name for step in packaged_migrations()]


@pytest.fixture
async def database(stack: EmbeddedStack) -> AsyncIterator[Database]:
    async with fresh_database(stack.addresses.postgres_admin_dsn) as fresh:
        yield fresh


async def migrated(database: Database, *, with_backend_tables: bool) -> Sequence[str]:
    async with database.admin.acquire(timeout=10) as connection:
        return await migrate(connection, with_backend_tables=with_backend_tables)


async def test_every_migration_is_applied_in_order_and_recorded(database: Database) -> None:
    assert list(await migrated(database, with_backend_tables=True)) == ALL
    rows = await database.admin.fetch("SELECT name, sha256 FROM snapshot_ingest.migrations")
    assert {row["name"]: row["sha256"] for row in rows} == {
        step.name: step.sha256 for step in packaged_migrations()
    }


async def test_a_second_time_there_is_nothing_to_do(database: Database) -> None:
    await migrated(database, with_backend_tables=True)
    assert list(await migrated(database, with_backend_tables=False)) == []
    assert list(await migrated(database, with_backend_tables=True)) == []


async def test_of_two_at_once_one_migrates_and_the_other_has_nothing_to_do(
    database: Database,
) -> None:
    both = await asyncio.gather(
        migrated(database, with_backend_tables=True), migrated(database, with_backend_tables=True)
    )
    assert sorted(map(list, both)) == [[], ALL]


async def test_without_the_backends_tables_it_names_them_and_changes_nothing(
    database: Database,
) -> None:
    await database.admin.execute("CREATE TABLE tenants (id uuid PRIMARY KEY)")
    with pytest.raises(Misconfigured, match="with-backend-tables") as caught:
        await migrated(database, with_backend_tables=False)
    assert "public.devices, public.router_config_snapshots;" in str(caught.value)
    assert "tenants" not in str(caught.value)
    assert await database.admin.fetchval("SELECT to_regnamespace('snapshot_ingest')") is None


async def test_an_edited_migration_is_named(database: Database) -> None:
    await migrated(database, with_backend_tables=True)
    await database.admin.execute(
        "UPDATE snapshot_ingest.migrations SET sha256 = 'x' WHERE name = $1", ALL[1]
    )
    with pytest.raises(Misconfigured, match=ALL[1]) as caught:
        await migrated(database, with_backend_tables=False)
    assert ALL[0] not in str(caught.value)


async def test_the_schema_of_a_newer_version_is_left_alone(database: Database) -> None:
    await migrated(database, with_backend_tables=True)
    await database.admin.execute(
        "INSERT INTO snapshot_ingest.migrations VALUES ('9999_from_the_future', 'x')"
    )
    with pytest.raises(Misconfigured, match="9999_from_the_future"):
        await migrated(database, with_backend_tables=False)


async def test_what_fails_in_the_middle_leaves_nothing_behind(database: Database) -> None:
    await database.admin.execute("CREATE SCHEMA snapshot_ingest")
    await database.admin.execute("CREATE TABLE snapshot_ingest.quarantine ()")
    with pytest.raises(Misconfigured, match="42P07"):
        await migrated(database, with_backend_tables=True)
    assert await database.admin.fetchval("SELECT to_regclass('snapshot_ingest.heads')") is None
    assert await database.admin.fetchval("SELECT to_regclass('public.devices')") is None


async def test_the_backends_tables_are_made_as_the_backend_makes_them(database: Database) -> None:
    await migrated(database, with_backend_tables=True)
    tables = await database.admin.fetch(
        "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname"
    )
    assert [tuple(row) for row in tables] == [
        ("devices", True, True),
        ("router_config_snapshots", True, True),
        ("tenants", True, True),
    ]
    columns = await database.admin.fetch(
        "SELECT attname || ' ' || format_type(atttypid, atttypmod)"
        " || CASE WHEN attnotnull THEN '' ELSE ' null' END AS column"
        " FROM pg_attribute WHERE attrelid = 'router_config_snapshots'::regclass AND attnum > 0"
        " ORDER BY attnum"
    )
    assert [row["column"] for row in columns] == [
        "id uuid",
        "device_id uuid",
        "tenant_id uuid",
        "config_text text",
        "sha256_hash character varying(64)",
        "collected_at timestamp with time zone",
        "created_at timestamp with time zone",
    ]
    keys = await database.admin.fetch(
        "SELECT pg_get_constraintdef(oid) AS key FROM pg_constraint"
        " WHERE conrelid = 'router_config_snapshots'::regclass AND contype = 'f' ORDER BY 1"
    )
    assert [row["key"] for row in keys] == [
        "FOREIGN KEY (device_id) REFERENCES devices(id) ON DELETE CASCADE",
        "FOREIGN KEY (tenant_id) REFERENCES tenants(id) ON DELETE CASCADE",
    ]
    policies = await database.admin.fetch(
        "SELECT policyname, cmd, qual FROM pg_policies WHERE tablename = 'router_config_snapshots'"
    )
    [policy] = policies
    assert (policy["policyname"], policy["cmd"]) == ("tenant_isolation", "ALL")
    assert "super_admin" not in policy["qual"]


async def test_tables_that_are_there_are_left_as_they_are(database: Database) -> None:
    await database.admin.execute("CREATE TABLE tenants (id uuid PRIMARY KEY, plan text)")
    await migrated(database, with_backend_tables=True)
    rows = await database.admin.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'tenants'::regclass AND attnum > 0"
    )
    assert [row["attname"] for row in rows] == ["id", "plan"]


async def test_nothing_of_ours_hangs_on_the_backends_tables(database: Database) -> None:
    async def dependants() -> list[tuple[object, ...]]:
        rows = await database.admin.fetch(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger"
            " WHERE tgrelid::regclass::text IN ('tenants', 'devices', 'router_config_snapshots')"
            " ORDER BY 1, 2"
        )
        return [tuple(row) for row in rows]

    async with database.admin.acquire(timeout=10) as connection:
        from_us = await migrate(connection, with_backend_tables=True)
    assert from_us
    with_us = await dependants()
    await database.admin.execute("DROP SCHEMA snapshot_ingest CASCADE")
    assert await dependants() == with_us


async def test_positions_come_to_a_table_that_is_there_without_writing_it_anew(
    database: Database,
) -> None:
    [positions] = [step for step in packaged_migrations() if step.name == "0019_positions"]
    admin = database.admin
    await admin.execute(script("backend_tables.sql"))
    await admin.execute(query("ensure_record", "migrating.sql"))
    for step in packaged_migrations()[: ALL.index(positions.name)]:
        await admin.execute(step.sql)
    await admin.execute(_A_RUN)
    file = "SELECT pg_relation_filenode('snapshot_ingest.snapshots')"
    before = await admin.fetchval(file)
    await admin.execute(positions.sql)
    await admin.execute(_A_RUN)
    assert await admin.fetchval(file) == before
    rows = await admin.fetch("SELECT stored_in IS NULL AS old FROM snapshot_ingest.snapshots")
    assert [row["old"] for row in rows] == [True, False]
