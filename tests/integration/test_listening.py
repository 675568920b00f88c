"""Listeners over PostgreSQL: what commits late, what is slow, who is killed, and who waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random
from uuid import uuid4

import pytest_asyncio

from snapshot_conformance.repository_world import Story, the_stored
from snapshot_domain.backoff import Backoff
from snapshot_domain.listening.listening import Listening
from snapshot_domain.listening.notices import notice_of
from snapshot_domain.listening.telling import ListeningLimits
from snapshot_domain.model import EncryptedSnapshot, SnapshotId, StoredPosition
from snapshot_domain.ports import HolderId, NamedListener, SnapshotListener
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.stack import EmbeddedStack
from snapshot_memory import MemoryMetrics
from snapshot_postgres import (
    Pool,
    PostgresHashRepository,
    PostgresKeptPositions,
    PostgresStoredSnapshots,
    open_pool,
)
from snapshot_postgres.batch import batch_columns
from snapshot_postgres.sql import query
from support.listening import MoodyListener
from support.postgres import INGEST_PASSWORD, PostgresWorld, postgres_world
from support.waiting import until, until_true

_LIMITS = ListeningLimits(
    queue_notices=10,
    page_notices=7,
    first_retry=timedelta(milliseconds=50),
    last_retry=timedelta(milliseconds=200),
    look_every=timedelta(milliseconds=100),
)


@pytest_asyncio.fixture(loop_scope="session")
async def world(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    """A database of this test's own: a listener with a name is told of all that is in it."""
    async with postgres_world(stack.addresses.postgres_admin_dsn) as running:
        yield running


@asynccontextmanager
async def _process(
    world: PostgresWorld, *listeners: SnapshotListener, pool: "Pool | None" = None
) -> AsyncIterator[Listening]:
    pool = pool or world.pool
    listening = Listening(
        listeners,
        PostgresStoredSnapshots(pool),
        PostgresKeptPositions(pool),
        MemoryMetrics(),
        SystemClock(),
        Backoff(Random(uuid4().int)),
        _LIMITS,
    )
    task = asyncio.ensure_future(listening.run())
    try:
        yield listening
    finally:
        listening.stop(timedelta(seconds=2))
        await task


async def _store(
    world: PostgresWorld, listening: Listening | None, *batch: EncryptedSnapshot
) -> list[SnapshotId]:
    answers = [the_stored(each) for each in await world.repository.store(batch)]
    if listening is not None:
        listening.put([notice_of(*each) for each in zip(batch, answers, strict=True)])
    return [each.snapshot_id for each in answers]


def _ids(listener: MoodyListener) -> list[SnapshotId]:
    return [each.snapshot_id for each in listener.told]


async def test_what_is_committed_late_is_told_and_nothing_is_passed_over(
    world: PostgresWorld,
) -> None:
    one, other = await Story(world).begin(), await Story(world).begin()
    listener = MoodyListener()
    async with (
        world.session_of_its_own() as slow,
        _process(world, NamedListener("history", listener)) as listening,
    ):
        transaction = slow.transaction()
        await transaction.start()
        [row] = await slow.fetch(query("store_batch"), *batch_columns([other.snapshot("late", 1)]))
        stored = [
            *await _store(world, listening, one.snapshot("A", 1)),
            *await _store(world, listening, one.snapshot("B", 2)),
        ]

        async def is_claimed() -> bool:
            return await positions.claim("history", HolderId(uuid4()), timedelta(0)) is None

        positions = PostgresKeptPositions(world.pool)
        await until_true(is_claimed)
        assert listener.told == []
        await transaction.commit()
        await until(lambda: _ids(listener) == [row["snapshot_id"], *stored])


async def test_a_slow_listener_without_a_name_catches_up_in_order(world: PostgresWorld) -> None:
    stories = [await Story(world).begin() for _ in range(5)]
    listener = MoodyListener(fault=RuntimeError("busy"))
    stored: list[SnapshotId] = []
    async with _process(world, listener) as listening:
        for hour in range(1, 20):
            batch = [story.snapshot(f"text {hour}", hour) for story in stories]
            stored += await _store(world, listening, *batch)
        assert listening.queued <= 10
        listener.fault = None
        await until(lambda: len(listener.told) >= len(stored))
        await until(lambda: set(_ids(listener)) == set(stored))
        assert len(listener.told) == len(stored)
        positions = [each.position for each in listener.told]
        assert positions == sorted(positions)
        stored += await _store(world, listening, stories[0].snapshot("last", 30))
        await until(lambda: len(listener.told) == len(stored))


async def test_after_a_restart_a_listener_goes_on_where_it_was(world: PostgresWorld) -> None:
    story, listener = await Story(world).begin(), MoodyListener()
    named = NamedListener("history", listener)
    async with _process(world, named) as listening:
        stored = await _store(world, listening, story.snapshot("A", 1))
        await until(lambda: _ids(listener) == stored)
    stored += await _store(world, None, story.snapshot("B", 2))
    async with _process(world, named):
        await until(lambda: _ids(listener) == stored)


async def test_of_many_processes_one_tells_and_each_notice_is_told_once(
    world: PostgresWorld,
) -> None:
    stories = [await Story(world).begin() for _ in range(4)]
    listeners = [MoodyListener() for _ in range(4)]
    stored: list[SnapshotId] = []

    async def store(story: Story, listening: Listening) -> None:
        for hour in range(1, 15):
            stored.extend(await _store(world, listening, story.snapshot(f"text {hour}", hour)))

    def processes() -> list[NamedListener]:
        return [NamedListener("history", each) for each in listeners]

    first, second, third, fourth = (_process(world, each) for each in processes())
    async with first as a, second as b, third as c, fourth as d:
        await asyncio.gather(*map(store, stories, (a, b, c, d)))
        await until(lambda: sum(len(each.told) for each in listeners) >= len(stored))
    told = [snapshot_id for each in listeners for snapshot_id in _ids(each)]
    assert sorted(told) == sorted(stored)
    assert sum(bool(each.told) for each in listeners) == 1


async def test_catching_up_takes_one_connection_and_leaves_the_rest_to_the_workers(
    world: PostgresWorld,
) -> None:
    """Six listeners that are far behind, on a pool of two: storing never waits for long."""
    stories = [await Story(world).begin() for _ in range(20)]
    for hour in range(1, 20):
        await _store(world, None, *(story.snapshot(f"text {hour}", hour) for story in stories))
    listeners = [MoodyListener() for _ in range(6)]
    named = [NamedListener(f"history {n}", each) for n, each in enumerate(listeners)]
    dsn = world.database.dsn_of(world.database.ingest_role)
    async with await open_pool(dsn, password=INGEST_PASSWORD, max_size=2) as pool:
        repository = PostgresHashRepository(pool, acquire_timeout_seconds=2)
        async with _process(world, *named, pool=pool):
            for hour in range(20, 40):
                await repository.store([stories[0].snapshot(f"text {hour}", hour)])
            await until(lambda: all(len(each.told) == 400 for each in listeners), seconds=30)


async def test_a_position_is_written_back_by_no_process_that_lost_its_claim(
    world: PostgresWorld,
) -> None:
    positions = PostgresKeptPositions(world.pool)
    frozen, other = HolderId(uuid4()), HolderId(uuid4())
    await positions.claim("history", frozen, timedelta(0))
    assert await positions.claim("history", other, timedelta(minutes=1)) is not None
    moves = [
        positions.move("history", other, StoredPosition(n), timedelta(minutes=1))
        for n in range(1, 30)
    ]
    moves += [
        positions.move("history", frozen, StoredPosition(n), timedelta(minutes=1))
        for n in range(1, 30)
    ]
    await asyncio.gather(*moves)
    assert await positions.claim("history", other, timedelta(0)) == StoredPosition(29)


async def test_a_database_that_goes_away_while_a_listener_catches_up_loses_nothing(
    world: PostgresWorld,
) -> None:
    story, listener = await Story(world).begin(), MoodyListener()
    stored: list[SnapshotId] = []
    for hour in range(1, 40):
        stored += await _store(world, None, story.snapshot(f"text {hour}", hour))
    async with _process(world, NamedListener("history", listener)):
        await until(lambda: len(listener.told) > 0)
        for _ in range(3):
            await world.admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1",
                world.database.ingest_role,
            )
        await until(lambda: set(_ids(listener)) == set(stored))
    assert list(dict.fromkeys(_ids(listener))) == stored
