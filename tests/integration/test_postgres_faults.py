"""Faults of PostgreSQL, provoked on the real one: it goes away, or somebody is in the way."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from snapshot_conformance.repository_world import Story, the_stored
from snapshot_domain.errors import Contended, Unavailable
from snapshot_domain.outcome import AlreadyStored, Orphaned, Stored, Unchanged
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import (
    PostgresDeviceDirectory,
    PostgresHashRepository,
    PostgresQuarantine,
    open_pool,
)
from support.postgres import INGEST_PASSWORD, PostgresWorld, assert_tells_nothing, postgres_world
from support.waiting import until_true

GATE = 4711
"""An advisory lock; while a test holds it, every insert of a row waits before it happens."""

GATE_TRIGGER = f"""
CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({GATE});
    RETURN NEW;
END
$$;
CREATE TRIGGER gate BEFORE INSERT ON router_config_snapshots
    FOR EACH ROW EXECUTE FUNCTION wait_at_gate();
"""

FAILING_TRIGGER = """
CREATE SEQUENCE attempts;
GRANT USAGE ON attempts TO PUBLIC;
CREATE FUNCTION fail_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('attempts') <= {times} THEN
        RAISE EXCEPTION 'vault:v1:in-an-error' USING ERRCODE = '{sqlstate}';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER fail_first BEFORE INSERT ON router_config_snapshots
    FOR EACH ROW EXECUTE FUNCTION fail_first();
"""


@pytest.fixture
async def world(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    """A database for each test, since each breaks it."""
    async with postgres_world(stack.addresses.postgres_admin_dsn) as running:
        yield running


@pytest.fixture
async def story(world: PostgresWorld) -> Story:
    return await Story(world).begin()


@asynccontextmanager
async def closed_gate(world: PostgresWorld) -> AsyncIterator[None]:
    async with world.admin.acquire(timeout=10) as holder:
        await holder.execute(f"SELECT pg_advisory_lock({GATE})")
        yield
        await holder.execute(f"SELECT pg_advisory_unlock({GATE})")


async def pid_at_gate(world: PostgresWorld) -> int:
    """The process of a store that waits at the gate."""
    async with asyncio.timeout(10):
        while True:
            pid = await world.admin.fetchval(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            if pid is not None:
                return int(pid)


async def test_a_device_deleted_between_look_and_insert_is_an_orphan_and_costs_no_other(
    world: PostgresWorld, story: Story
) -> None:
    await world.admin.execute(GATE_TRIGGER)
    other = await Story(world).begin()
    batch = [story.snapshot("A", 1), other.snapshot("A", 1)]
    async with closed_gate(world):
        storing = asyncio.create_task(world.repository.store(batch))
        await pid_at_gate(world)
        await world.remove(story.device)
    first, second = await storing
    assert first == Orphaned()
    the_stored(second)
    assert await other.texts("A") == ["A"]
    assert await story.runs() == []


async def test_a_lost_connection_is_unavailable_and_storing_again_is_safe(
    world: PostgresWorld, story: Story
) -> None:
    await world.admin.execute(GATE_TRIGGER)
    batch = [story.snapshot("A", 1), story.snapshot("B", 2)]
    async with closed_gate(world):
        storing = asyncio.create_task(world.repository.store(batch))
        pid = await pid_at_gate(world)
        await world.admin.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(Unavailable) as caught:
            await storing
    assert_tells_nothing(caught.value)
    assert await story.runs() == []
    assert [type(answer) for answer in await world.repository.store(batch)] == [Stored, Stored]
    assert await world.repository.store(batch) == [AlreadyStored(), AlreadyStored()]


async def test_a_commit_without_an_answer_is_unavailable_and_storing_again_is_safe(
    world: PostgresWorld, story: Story
) -> None:
    """The server waits for a standby that never comes: committed, but nobody is told."""
    dsn = world.database.dsn_of(world.database.ingest_role)
    batch = [story.snapshot("A", 1), story.snapshot("A", 2)]
    async with await open_pool(dsn, password=INGEST_PASSWORD, command_timeout_seconds=1) as pool:
        await world.admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        await world.admin.execute("SELECT pg_reload_conf()")
        try:
            with pytest.raises(Unavailable) as caught:
                await PostgresHashRepository(pool).store(batch)
        finally:
            await world.admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            await world.admin.execute("SELECT pg_reload_conf()")
    assert_tells_nothing(caught.value)
    before = await story.runs()
    assert len(before) == 1
    assert await world.repository.store(batch) == [AlreadyStored(), Unchanged()]
    assert await story.runs() == before


async def test_a_cancelled_store_is_done_whole_or_not_at_all_and_frees_its_locks(
    world: PostgresWorld, story: Story
) -> None:
    await world.admin.execute(GATE_TRIGGER)
    async with closed_gate(world):
        storing = asyncio.create_task(world.repository.store([story.snapshot("A", 1)]))
        await pid_at_gate(world)
        storing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await storing
    # The server learns of it when it answers: then it has committed, and knows the message again.
    assert isinstance(await story.tell("A", 1), Stored | AlreadyStored)
    assert len(await story.runs()) == 1


async def test_a_cancellation_does_not_wait_for_a_server_that_stands_still(
    world: PostgresWorld, story: Story
) -> None:
    await world.admin.execute(GATE_TRIGGER)
    async with closed_gate(world):
        storing = asyncio.create_task(world.repository.store([story.snapshot("A", 1)]))
        pid = await pid_at_gate(world)
        os.kill(pid, signal.SIGSTOP)
        try:
            storing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(storing, timeout=3)
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("sqlstate", ["40P01", "40001", "55P03"])
async def test_three_times_in_the_way_is_waited_out(
    world: PostgresWorld, story: Story, sqlstate: str
) -> None:
    await world.admin.execute(FAILING_TRIGGER.format(times=3, sqlstate=sqlstate))
    await story.stored("A", 1)
    assert await world.admin.fetchval("SELECT last_value FROM attempts") == 4


@pytest.mark.parametrize("sqlstate", ["40P01", "40001", "55P03"])
async def test_four_times_in_the_way_is_contention_and_no_outage(
    world: PostgresWorld, story: Story, sqlstate: str
) -> None:
    await world.admin.execute(FAILING_TRIGGER.format(times=4, sqlstate=sqlstate))
    with pytest.raises(Contended, match=sqlstate) as caught:
        await story.tell("A", 1)
    assert_tells_nothing(caught.value)
    assert await story.runs() == []


@pytest.mark.parametrize("sqlstate", ["53100", "53300", "57014", "58030", "XX000", "P0001"])
async def test_a_server_in_trouble_is_unavailable(
    world: PostgresWorld, story: Story, sqlstate: str
) -> None:
    await world.admin.execute(FAILING_TRIGGER.format(times=1, sqlstate=sqlstate))
    with pytest.raises(Unavailable, match=sqlstate) as caught:
        await story.tell("A", 1)
    assert_tells_nothing(caught.value)
    await story.stored("A", 1)


async def test_a_server_that_takes_no_writes_is_unavailable(
    world: PostgresWorld, story: Story
) -> None:
    role = world.database.ingest_role
    await world.admin.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    with pytest.raises(Unavailable, match="25006"):
        await story.tell("A", 1)
    with pytest.raises(Unavailable, match="read-only"):
        await world.repository.check()
    with pytest.raises(Unavailable, match="read-only"):
        await world.quarantine.check()


async def test_nobody_listening_is_unavailable_and_a_worker_starts_all_the_same() -> None:
    dsn = "postgresql://nobody@127.0.0.1:1/nowhere"
    with pytest.raises(Unavailable) as caught:
        await open_pool(dsn, password="x", min_size=1)
    assert_tells_nothing(caught.value)
    async with await open_pool(dsn, password="x") as pool:
        for check in (
            PostgresHashRepository(pool).check,
            PostgresDeviceDirectory(pool).check,
            PostgresQuarantine(pool).check,
        ):
            with pytest.raises(Unavailable) as caught:
                await check()
            assert_tells_nothing(caught.value)


async def test_a_pool_in_use_is_unavailable_after_its_timeout(world: PostgresWorld) -> None:
    dsn = world.database.dsn_of(world.database.ingest_role)
    async with (
        await open_pool(dsn, password=INGEST_PASSWORD, max_size=1) as pool,
        pool.acquire(timeout=10),
    ):
        repository = PostgresHashRepository(pool, acquire_timeout_seconds=0.05)
        with pytest.raises(Unavailable, match="TimeoutError"):
            await repository.check()


async def test_a_statement_that_takes_too_long_is_unavailable(
    world: PostgresWorld, story: Story
) -> None:
    await world.admin.execute(GATE_TRIGGER)
    dsn = world.database.dsn_of(world.database.ingest_role)
    async with (
        closed_gate(world),
        await open_pool(dsn, password=INGEST_PASSWORD, command_timeout_seconds=0.5) as pool,
    ):
        with pytest.raises(Unavailable, match="TimeoutError"):
            await PostgresHashRepository(pool).store([story.snapshot("A", 1)])
    assert await story.runs() == []


async def test_a_head_that_is_deleted_while_it_is_waited_for_is_made_again(
    world: PostgresWorld, story: Story
) -> None:
    await story.stored("A", 1)
    async with world.admin.acquire(timeout=10) as shredder:
        async with shredder.transaction():
            await shredder.execute("DELETE FROM snapshot_ingest.heads")
            await shredder.execute("DELETE FROM snapshot_ingest.snapshots")
            await shredder.execute("DELETE FROM router_config_snapshots")
            storing = asyncio.create_task(world.repository.store([story.snapshot("A", 2)]))
            await world.until_somebody_waits()
        [answer] = await storing
    assert the_stored(answer).previous_id is None
    assert await story.texts("A") == ["A"]


async def test_a_server_without_room_for_a_connection_is_unavailable_and_heals(
    world: PostgresWorld,
) -> None:
    story = await Story(world).begin()
    role = world.database.ingest_role
    await world.admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT 1")
    async with world.session_of_its_own():
        with pytest.raises(Unavailable, match="53300"):
            await world.repository.store([story.snapshot("A", 1)])
    await until_true(lambda: _has_no_session(world, role))
    the_stored(await story.tell("A", 1))


async def _has_no_session(world: PostgresWorld, role: str) -> bool:
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1"
    return bool(await world.admin.fetchval(sessions, role) == 0)
