"""FloorWatch: keeps the floor, tells what was evicted, and bears what does not answer."""

import logging
from datetime import datetime, timedelta

import pytest
from attrs import define, evolve, field

from snapshot_conformance.quarantine import rejected
from snapshot_domain.delivery import Origin
from snapshot_domain.errors import Dependency, Misconfigured, Unavailable
from snapshot_domain.events import EvictionSeen
from snapshot_domain.ports import AckFloors, Floor, QuarantineReview, QuarantineSelection
from snapshot_ingest.floor_watch import FloorWatch
from snapshot_memory import (
    ManualClock,
    MemoryAckFloors,
    MemoryMetrics,
    MemoryQuarantine,
    MemoryQuarantineReview,
)
from support.messages import MORNING

FIRST = Floor(
    stream="DEVICE_EVENTS",
    stream_created_at=MORNING,
    consumer="config_snapshot_ingest",
    consumer_created_at=MORNING,
    sequence=90,
    delivered_sequence=100,
    deliveries=40,
    pending=20,
    first_sequence=50,
    last_sequence=300,
    at=MORNING,
)


@define
class ScriptedSource:
    """Says what a test wants it to say."""

    says: Floor | Exception = FIRST
    floor_key: tuple[str, str] = ("DEVICE_EVENTS", "config_snapshot_ingest")

    async def floor(self, at: datetime) -> Floor:
        if isinstance(self.says, Exception):
            raise self.says
        return evolve(self.says, at=at)


@define
class World:
    source: ScriptedSource = field(factory=ScriptedSource)
    floors: AckFloors = field(factory=MemoryAckFloors)
    quarantine: MemoryQuarantine = field(factory=MemoryQuarantine)
    review: QuarantineReview = field(init=False)
    metrics: MemoryMetrics = field(factory=MemoryMetrics)
    clock: ManualClock = field(factory=lambda: ManualClock(MORNING))

    def __attrs_post_init__(self) -> None:
        self.review = MemoryQuarantineReview(self.quarantine)

    def watch(self) -> FloorWatch:
        return FloorWatch(self.source, self.floors, self.review, self.metrics, self.clock)

    async def look(self, says: Floor | Exception, watch: FloorWatch | None = None) -> None:
        self.source.says = says
        await (watch or self.watch()).look()
        await self.clock.sleep(5)


@pytest.fixture
def world() -> World:
    return World()


LATER = evolve(FIRST, pending=15, first_sequence=113)


async def test_the_floor_is_kept_with_the_time_of_the_look(world: World) -> None:
    await world.look(FIRST)
    await world.look(evolve(FIRST, sequence=95, deliveries=41))
    kept = await world.floors.load("DEVICE_EVENTS", "config_snapshot_ingest")
    assert kept is not None
    assert (kept.sequence, kept.at) == (95, MORNING + timedelta(seconds=5))


async def test_an_eviction_is_told_with_its_bounds_and_its_time(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.look(FIRST)
    with caplog.at_level(logging.WARNING):
        await world.look(LATER)
    assert world.metrics.events == [
        EvictionSeen(5, 12, since=MORNING, until=MORNING + timedelta(seconds=5))
    ]
    [record] = caplog.records
    for words in ("at least 5 and at most 12 messages", MORNING.isoformat(), "--own-stream"):
        assert words in record.getMessage()


async def test_telemetry_alone_is_no_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.look(FIRST)
    with caplog.at_level(logging.WARNING):
        await world.look(evolve(FIRST, first_sequence=200, last_sequence=450))
    assert world.metrics.events == [
        EvictionSeen(0, 99, since=MORNING, until=MORNING + timedelta(seconds=5))
    ]
    assert caplog.records == []


async def test_where_nothing_went_nothing_is_told(world: World) -> None:
    await world.look(FIRST)
    await world.look(evolve(FIRST, deliveries=45, delivered_sequence=105, pending=15))
    assert world.metrics.events == []


async def test_an_eviction_is_told_across_a_restart(world: World) -> None:
    await world.look(FIRST)
    afterwards = World(floors=world.floors)
    await afterwards.look(LATER)
    [seen] = afterwards.metrics.events
    assert isinstance(seen, EvictionSeen)
    assert seen.at_least == 5


async def test_of_two_workers_one_tells_it(world: World) -> None:
    other = World(floors=world.floors)
    await world.look(FIRST)
    await other.look(FIRST)
    await other.look(LATER)
    await world.look(LATER)
    assert len(other.metrics.events) == 1
    assert world.metrics.events == []


async def test_a_stream_that_lost_its_end_takes_the_floor_back_with_a_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.look(FIRST)
    with caplog.at_level(logging.WARNING):
        await world.look(evolve(FIRST, sequence=70, delivered_sequence=70, last_sequence=200))
    kept = await world.floors.load("DEVICE_EVENTS", "config_snapshot_ingest")
    assert kept is not None
    assert (kept.sequence, kept.last_sequence) == (70, 200)
    [record] = caplog.records
    for words in ("ends at sequence 200", "ended at 300", "backup", "from 90 to 70"):
        assert words in record.getMessage()
    assert world.metrics.events == []


@define
class FloorsAmid(MemoryAckFloors):
    """Floors of which another worker replaces one while this one looks."""

    other: Floor | None = None

    async def load(self, stream: str, consumer: str) -> Floor | None:
        known = await super().load(stream, consumer)
        if known is not None and self.other is not None:
            await self.keep(self.other, known)
        return known


async def test_a_look_during_which_another_worker_looked_tells_nothing(world: World) -> None:
    world.floors = FloorsAmid(other=evolve(LATER, at=MORNING))
    await world.look(FIRST)
    await world.look(LATER)
    assert world.metrics.events == []


async def test_what_an_operator_must_mend_is_said_once_until_it_worked_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    watch = world.watch()
    fault = Misconfigured(Dependency.REPOSITORY, "no such table", next_step="migrate")
    for says in (fault, fault, FIRST, fault):
        await world.look(says, watch)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "migrate" in caplog.text


@pytest.mark.parametrize(
    ("fault", "level"),
    [
        (Unavailable(Dependency.SOURCE, "not connected"), logging.DEBUG),
        (ZeroDivisionError("wpa2-key"), logging.WARNING),
    ],
)
async def test_what_does_not_answer_is_asked_again_next_time(
    world: World, caplog: pytest.LogCaptureFixture, fault: Exception, level: int
) -> None:
    watch = world.watch()
    with caplog.at_level(logging.DEBUG, logger="snapshot_ingest.floor_watch"):
        await world.look(fault, watch)
    [record] = caplog.records
    assert record.levelno == level
    assert "wpa2-key" not in record.getMessage()
    await world.look(FIRST, watch)
    assert await world.floors.load("DEVICE_EVENTS", "config_snapshot_ingest") is not None


@define
class DeniedReview(MemoryQuarantineReview):
    """May look and decide, and not forget."""

    async def forget(self, floor: Origin) -> None:
        raise Misconfigured(Dependency.QUARANTINE, f"no DELETE on {floor.stream}")


async def _drop(world: World, sequence: int) -> None:
    message = rejected(FIRST.stream, sequence)
    origin = Origin(FIRST.stream, FIRST.stream_created_at, sequence)
    await world.quarantine.keep([evolve(message, origin=origin)])
    await world.review.drop(await world.review.select(QuarantineSelection()))


async def test_what_was_dropped_is_forgotten_once_the_kept_floor_has_passed_it(
    world: World,
) -> None:
    await _drop(world, 95)
    await world.look(FIRST)
    await world.look(evolve(FIRST, sequence=94, deliveries=45))
    assert len(world.quarantine.entries) == 1
    await world.look(evolve(FIRST, sequence=95, deliveries=46))
    assert world.quarantine.entries == {}


async def test_a_floor_that_was_not_kept_forgets_nothing(world: World) -> None:
    world.floors = FloorsAmid(other=evolve(FIRST, deliveries=50))
    await _drop(world, 95)
    await world.look(FIRST)
    await world.look(evolve(FIRST, sequence=95, deliveries=45))
    assert len(world.quarantine.entries) == 1


async def test_without_the_right_to_forget_evictions_are_told_all_the_same(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.review = DeniedReview(world.quarantine)
    watch = world.watch()
    for sequence in (90, 91, 92):
        floor = evolve(FIRST, sequence=sequence, deliveries=sequence, pending=110 - sequence)
        await world.look(evolve(floor, first_sequence=sequence + 40), watch)
    assert any(isinstance(event, EvictionSeen) for event in world.metrics.events)
    assert caplog.text.count("the quarantine forgets nothing") == 1
