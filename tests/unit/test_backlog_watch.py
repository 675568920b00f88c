"""The backlog watch tells the metrics what the source still holds, and survives its faults."""

import asyncio
import logging
from datetime import timedelta

import pytest

from snapshot_domain.errors import Dependency, Unavailable
from snapshot_domain.events import BacklogObserved
from snapshot_domain.ports import Backlog
from snapshot_domain.secret import RawMessage
from snapshot_ingest.backlog_watch import BacklogWatch
from snapshot_memory import ManualClock, MemoryMessageSource, MemoryMetrics
from support.waiting import until

CANARY = "canary-1c9e77f0"


class _Source(MemoryMessageSource):
    """A source whose backlog may be out of reach."""

    raises: Exception | None = None

    async def backlog(self) -> Backlog:
        if self.raises is not None:
            raise self.raises
        return await super().backlog()


class _World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.source = _Source(self.clock)
        self.metrics = MemoryMetrics()
        self.watch = BacklogWatch(self.source, self.metrics, self.clock)


@pytest.fixture
def world() -> _World:
    return _World()


async def test_an_empty_backlog_has_no_age(world: _World) -> None:
    await world.watch.look()
    assert world.metrics.events == [BacklogObserved(0, 0, 0, 0.0)]


async def test_the_age_is_that_of_the_oldest_message(world: _World) -> None:
    for _ in range(3):
        world.source.publish("subject", RawMessage(b"{}"))
        world.clock.advance(timedelta(seconds=10))
    await world.source.fetch(1, 100)
    await world.watch.look()
    assert world.metrics.events == [
        BacklogObserved(pending=2, unsettled=1, redelivered=0, oldest_age_seconds=30.0)
    ]


async def test_a_streams_clock_that_is_ahead_gives_no_negative_age(world: _World) -> None:
    world.source.publish("subject", RawMessage(b"{}"))
    world.clock.advance(timedelta(seconds=-3))
    await world.watch.look()
    assert world.metrics.events == [BacklogObserved(1, 0, 0, 0.0)]


async def test_while_the_source_does_not_answer_the_figures_stay_and_nobody_is_alarmed(
    world: _World, caplog: pytest.LogCaptureFixture
) -> None:
    world.source.raises = Unavailable(Dependency.SOURCE, "gone")
    with caplog.at_level(logging.DEBUG):
        await world.watch.look()
    assert world.metrics.events == []
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


async def test_an_unforeseen_fault_is_logged_by_its_class_alone(
    world: _World, caplog: pytest.LogCaptureFixture
) -> None:
    world.source.raises = ValueError(CANARY)
    with caplog.at_level(logging.DEBUG):
        await world.watch.look()
    assert "unforeseen ValueError" in caplog.text
    assert CANARY not in caplog.text
    assert all(record.exc_info is None for record in caplog.records)


async def test_it_looks_every_five_seconds_through_faults_until_it_is_cancelled(
    world: _World,
) -> None:
    world.source.raises = Unavailable(Dependency.SOURCE, "gone")
    watching = asyncio.create_task(world.watch.run())
    await until(lambda: world.clock.monotonic() >= 10)
    world.source.raises = None
    await until(lambda: len(world.metrics.events) == 3)
    watching.cancel()
    await asyncio.wait([watching])
    assert watching.cancelled()
    assert world.clock.monotonic() % 5 == 0
