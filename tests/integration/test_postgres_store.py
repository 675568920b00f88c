"""What PostgreSQL itself adds to the contract of store: rights, durability, locks and plans."""

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from snapshot_conformance.repository_world import Story, the_stored
from snapshot_domain.model import TenantId
from snapshot_domain.outcome import AlreadyStored, Stored, Unchanged
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import PostgresHashRepository, open_pool
from snapshot_postgres.batch import batch_columns, look_columns
from snapshot_postgres.errors import DRIVER_ERRORS
from snapshot_postgres.pool import PooledConnection
from snapshot_postgres.sql import query
from support.calls import calls_of
from support.postgres import INGEST_PASSWORD, PostgresWorld, postgres_world

WRITE_DOWN_SETTINGS = """
CREATE TABLE settings_seen (commit text, isolation text);
GRANT INSERT ON settings_seen TO PUBLIC;
CREATE FUNCTION write_down_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO settings_seen VALUES (
        current_setting('synchronous_commit'), current_setting('transaction_isolation'));
    RETURN NULL;
END
$$;
CREATE TRIGGER write_down AFTER INSERT ON router_config_snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION write_down_settings();
CREATE TRIGGER write_down AFTER INSERT ON snapshot_ingest.quarantine
    FOR EACH STATEMENT EXECUTE FUNCTION write_down_settings();
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as running:
        yield running


@pytest.fixture
async def alone(world: PostgresWorld) -> AsyncIterator[PooledConnection]:
    """A session whose statistics are this test's alone."""
    async with world.session_of_its_own() as session:
        yield session


async def test_the_role_is_neither_superuser_nor_owner_and_row_security_is_forced(
    world: PostgresWorld,
) -> None:
    row = await world.pool.fetchrow(
        "SELECT rolsuper, rolbypassrls, pg_has_role(relowner, 'MEMBER') AS owner,"
        " relforcerowsecurity AS forced"
        " FROM pg_roles, pg_class WHERE rolname = current_user"
        " AND pg_class.oid = 'router_config_snapshots'::regclass"
    )
    assert row is not None
    assert dict(row) == {"rolsuper": False, "rolbypassrls": False, "owner": False, "forced": True}


async def test_the_backends_role_sees_its_own_tenants_rows_and_no_others(
    world: PostgresWorld,
) -> None:
    mine, other = await Story(world).begin(), await Story(world).begin()
    stored = await mine.stored("A", 1)
    await other.stored("A", 1)
    async with world.admin.acquire(timeout=10) as connection, connection.transaction():
        await connection.execute("SET LOCAL ROLE app_user")
        assert await connection.fetch("SELECT FROM router_config_snapshots") == []
        await connection.execute(f"SET LOCAL app.current_tenant = '{mine.tenant}'")
        rows = await connection.fetch("SELECT id FROM router_config_snapshots")
    assert [row["id"] for row in rows] == [stored.snapshot_id]


async def test_a_role_that_sees_every_row_still_tells_tenants_apart(world: PostgresWorld) -> None:
    """Row-level security is not what keeps the rules: a superuser's timeline is the same."""
    repository = PostgresHashRepository(world.admin)
    story = await Story(world).begin()
    await repository.store([story.snapshot("A", 1)])
    story.tenant = TenantId(uuid4())
    await world.register(story.device, story.tenant)
    for hour in (2, 3):
        [answer] = await repository.store([story.snapshot("A", hour)])
        assert isinstance(answer, Stored if hour == 2 else Unchanged)
    story.tenant = TenantId(uuid4())
    await world.register(story.device, story.tenant)
    answers = await repository.store([story.snapshot("A", hour) for hour in (4, 5)])
    assert [type(answer) for answer in answers] == [Stored, Unchanged]


async def test_a_tenant_set_for_one_transaction_is_gone_after_it(world: PostgresWorld) -> None:
    story = await Story(world).begin()
    async with world.pool.acquire(timeout=10) as connection:
        rows = await connection.fetch(
            query("store_batch"), *batch_columns([story.snapshot("A", 1)])
        )
        assert [row["answer"] for row in rows] == ["stored"]
        assert await connection.fetch("SELECT FROM router_config_snapshots") == []
        assert await connection.fetch("SELECT FROM devices") == []


async def test_the_roles_defaults_for_commit_and_isolation_are_overruled(
    stack: EmbeddedStack,
) -> None:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as own:
        role = own.database.ingest_role
        await own.admin.execute(WRITE_DOWN_SETTINGS)
        await own.admin.execute(
            f"ALTER ROLE {role} SET default_transaction_isolation = serializable"
        )
        await own.admin.execute(f"ALTER ROLE {role} SET synchronous_commit = off")
        story = await Story(own).begin()
        await story.stored("A", 1)
        await story.tell("A", 3)
        await story.stored("B", 2)
        seen = await own.admin.fetch("SELECT DISTINCT * FROM settings_seen")
        assert [tuple(row) for row in seen] == [("on", "read committed")]
        default = await own.pool.fetchval("SELECT current_setting('synchronous_commit')")
        assert default == "off"


async def test_the_commit_itself_is_synchronous(world: PostgresWorld) -> None:
    """The function's own setting must last until the commit, not only while it runs."""
    story = await Story(world).begin()
    async with world.pool.acquire(timeout=10) as connection:
        await connection.execute("SET synchronous_commit = off")
        async with connection.transaction():
            await connection.fetch(query("store_batch"), *batch_columns([story.snapshot("A", 1)]))
            assert await connection.fetchval("SHOW synchronous_commit") == "on"
        async with connection.transaction():
            await connection.fetch(query("commit_to_disk"))
            assert await connection.fetchval("SHOW synchronous_commit") == "on"
            assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == "4s"
        assert await connection.fetchval("SHOW synchronous_commit") == "off"


async def test_looking_and_storing_take_one_statement_each_and_leave_nothing_to_reset(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = await Story(world).begin()
    said = calls_of(
        monkeypatch, asyncpg.Connection, "execute", "fetch", said=lambda statement, *_: statement
    )
    snapshot = story.snapshot("A", 1)
    await world.directory.owners({story.device})
    await world.repository.unchanged([snapshot.key])
    await world.repository.store([snapshot])
    assert said == [query("owners"), query("unchanged"), query("store_batch")]


async def test_a_worker_that_hangs_does_not_hold_its_devices_for_ever(
    world: PostgresWorld, alone: PooledConnection
) -> None:
    story = await Story(world).begin()
    async with alone.transaction():
        await alone.fetch(query("store_batch"), *batch_columns([story.snapshot("A", 1)]))
        assert await alone.fetchval("SHOW idle_in_transaction_session_timeout") == "4s"
        assert await alone.fetchval("SHOW lock_timeout") == "5s"
    assert await alone.fetchval("SHOW lock_timeout") == "0"


async def test_a_worker_that_freezes_before_its_commit_holds_up_nobody_for_long(
    world: PostgresWorld, alone: PooledConnection
) -> None:
    story = await Story(world).begin()
    frozen = alone.transaction()
    await frozen.start()
    await alone.fetch(query("store_batch"), *batch_columns([story.snapshot("A", 1)]))
    (answer,) = await world.repository.store([story.snapshot("B", 2)])
    assert isinstance(answer, Stored)
    with pytest.raises(DRIVER_ERRORS):
        await frozen.commit()
    assert len(await world.runs(story.device)) == 1


async def test_workers_that_store_the_same_devices_in_any_order_do_not_deadlock(
    world: PostgresWorld,
) -> None:
    stories = [await Story(world).begin() for _ in range(20)]
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = await world.admin.fetchval(deadlocks)

    async def worker(seed: int) -> None:
        chance = random.Random(seed)
        for round_number in range(10):
            batch = [
                story.snapshot(chance.choice("ABC"), hour, seed * 1000 + round_number * 10 + hour)
                for story in chance.sample(stories, 12)
                for hour in range(chance.choice([1, 1, 2]))
            ]
            chance.shuffle(batch)
            for answer in await world.repository.store(batch):
                assert isinstance(answer, Stored | Unchanged | AlreadyStored)

    await asyncio.gather(*(worker(seed) for seed in range(6)))
    await world.admin.execute("SELECT pg_stat_clear_snapshot()")
    assert await world.admin.fetchval(deadlocks) == before


async def test_two_workers_that_meet_at_a_new_device_store_it_once(world: PostgresWorld) -> None:
    for _ in range(10):
        story = await Story(world).begin()
        snapshot = story.snapshot("A", 1)
        answers = await asyncio.gather(*(world.repository.store([snapshot]) for _ in range(4)))
        kinds = sorted(type(answer).__name__ for [answer] in answers)
        assert kinds == ["AlreadyStored", "AlreadyStored", "AlreadyStored", "Stored"]
        assert len(await story.runs()) == 1


async def test_no_table_is_read_whole_whatever_its_size(
    world: PostgresWorld, alone: PooledConnection
) -> None:
    """The plans must not be those of a small table: they are kept while the table grows."""
    stories = [await Story(world).begin() for _ in range(8)]
    batch = [story.snapshot("A", 1) for story in stories]
    late = [story.snapshot("B", 2) for story in stories]
    async with alone.transaction():
        for _ in range(8):
            for part in (batch, late):
                columns = batch_columns(part)
                looks = look_columns([snapshot.key for snapshot in part])
                await alone.fetch(query("unchanged"), *looks)
                await alone.fetch(query("store_batch"), *columns)
                await alone.fetch(query("owners"), columns[0])
        scans = await alone.fetch(
            "SELECT relname, seq_scan, idx_scan FROM pg_stat_xact_user_tables"
            " WHERE seq_scan > 0 OR idx_scan > 0"
        )
    assert {row["relname"] for row in scans} >= {"devices", "heads", "snapshots"}
    assert {row["relname"]: row["seq_scan"] for row in scans if row["seq_scan"]} == {}


async def test_an_unchanged_snapshot_touches_no_index(
    world: PostgresWorld, alone: PooledConnection
) -> None:
    """Most messages change nothing, so moving a run's end must be a heap-only update."""
    story = await Story(world).begin()
    await story.stored("A", 1)
    async with alone.transaction():
        for hour in (2, 3, 4):
            columns = batch_columns([story.snapshot("A", hour)])
            await alone.fetch(query("store_batch"), *columns)
        row = await alone.fetchrow(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables"
            " WHERE relname = 'snapshots'"
        )
    assert row is not None
    assert tuple(row) == (3, 3)


async def test_a_large_batch_of_many_tenants_is_one_transaction(world: PostgresWorld) -> None:
    stories = [await Story(world).begin() for _ in range(120)]
    answers = await world.repository.store([story.snapshot("A", 1) for story in stories])
    ids = [the_stored(answer).snapshot_id for answer in answers]
    rows = await world.admin.fetch(
        "SELECT DISTINCT xmin::text FROM router_config_snapshots WHERE id = ANY ($1)", ids
    )
    assert len(rows) == 1


async def test_it_works_behind_a_pooler_that_keeps_no_statements(world: PostgresWorld) -> None:
    dsn = world.database.dsn_of(world.database.ingest_role)
    async with await open_pool(dsn, password=INGEST_PASSWORD, statement_cache_size=0) as pool:
        story = await Story(world).begin()
        [answer] = await PostgresHashRepository(pool).store([story.snapshot("A", 1)])
        the_stored(answer)
        assert list(await PostgresHashRepository(pool).unchanged([story.key("A", 2)])) == [True]
