"""Ingestion as one thing: it runs until it is stopped, and leaves nothing behind."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from snapshot_domain.delivery import Ack
from snapshot_domain.events import BacklogObserved
from snapshot_domain.listening.listening import Listening
from snapshot_domain.waiting import WaitingSweep
from snapshot_domain.worker import Worker, WorkerLimits
from snapshot_ingest.backlog_watch import BacklogWatch
from snapshot_ingest.composition import Container
from snapshot_ingest.floor_watch import FloorWatch
from snapshot_ingest.ingestion import Ingestion
from snapshot_ingest.readiness import Readiness
from snapshot_memory import MemoryAckFloors, MemoryQuarantineReview
from support.memory_world import MemoryWorld
from support.waiting import until


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


@pytest.fixture
def ingestion(world: MemoryWorld) -> Ingestion:
    container = Container()
    container.register(
        Worker,
        Worker(
            world.source,
            world.use_case,
            world.intake(),
            world.metrics,
            WorkerLimits(),
        ),
    )
    readiness = Readiness(
        world.source,
        world.repository,
        world.use_case.cipher,
        world.intake(),
        world.clock,
        world.use_case.digests,
    )
    container.register(Readiness, readiness)
    watch = BacklogWatch(world.source, world.metrics, world.clock)
    container.register(BacklogWatch, watch)
    review = MemoryQuarantineReview(world.quarantine)
    floor_watch = FloorWatch(world.source, MemoryAckFloors(), review, world.metrics, world.clock)
    container.register(FloorWatch, floor_watch)
    container.register(WaitingSweep, world.sweep())
    container.register(Listening, world.use_case.listening)
    container.register(WorkerLimits, WorkerLimits())
    return Ingestion(container, CollectorRegistry())


async def test_it_ingests_and_watches_the_backlog_until_it_is_stopped(
    world: MemoryWorld, ingestion: Ingestion
) -> None:
    world.publish("A")
    running = asyncio.create_task(ingestion.run())
    await until(lambda: bool(world.source.settled))
    ingestion.stop()
    await asyncio.wait_for(running, 10)
    # The watches move the clock, so that it may come once more meanwhile.
    assert set(world.settlements()) == {Ack()}
    assert any(isinstance(event, BacklogObserved) for event in world.metrics.events)


async def test_a_cancellation_is_passed_on_and_no_task_is_left(
    world: MemoryWorld, ingestion: Ingestion
) -> None:
    before = asyncio.all_tasks()
    running = asyncio.create_task(ingestion.run())
    await until(lambda: bool(world.metrics.events))
    running.cancel()
    await asyncio.wait([running], timeout=10)
    assert running.cancelled()
    await until(lambda: asyncio.all_tasks() <= before)


async def test_it_tells_what_keeps_it_from_working(ingestion: Ingestion) -> None:
    assert dict(await ingestion.faults()) == {}


async def test_while_a_block_runs_it_ingests_and_at_its_end_all_is_settled(
    world: MemoryWorld, ingestion: Ingestion
) -> None:
    before = asyncio.all_tasks()
    async with ingestion.running():
        world.publish("A")
        await until(lambda: len(world.source.settled) == 1)
    assert set(world.settlements()) == {Ack()}
    assert asyncio.all_tasks() <= before


async def test_a_block_that_fails_or_is_cancelled_leaves_nothing_running(
    world: MemoryWorld, ingestion: Ingestion
) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(ZeroDivisionError):
        async with ingestion.running():
            raise ZeroDivisionError
    assert asyncio.all_tasks() <= before
    assert world.settlements() == []
