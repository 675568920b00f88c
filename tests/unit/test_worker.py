"""The worker: several batches in flight, bounds, and an orderly stop."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Self

import pytest
from attrs import evolve

from snapshot_domain import worker
from snapshot_domain.delivery import Ack, Retry
from snapshot_domain.errors import Dependency, Misconfigured, Unavailable
from snapshot_domain.events import FetchFailed, InFlightChanged, IntakePaused, IntakeResumed
from snapshot_domain.extension import Extension
from snapshot_domain.outcome import Stored
from snapshot_domain.worker import Worker, WorkerLimits
from support.faults import FaultyCipher, FaultySource, Gate
from support.memory_world import MemoryWorld
from support.waiting import until

AT_ONCE = Retry(timedelta(0))
_OF_INTAKE = (FetchFailed, IntakePaused, IntakeResumed)
LIMITS = WorkerLimits(batch_messages=2, batches_in_flight=2, grace=timedelta(seconds=5))


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


class Running:
    """A worker of the world that runs until the block ends."""

    def __init__(self, world: MemoryWorld, limits: WorkerLimits = LIMITS) -> None:
        self.source = FaultySource(world.source)
        self.worker = Worker(
            self.source,
            evolve(
                world.use_case,
                source=self.source,
                extension=Extension(self.source, world.clock),
            ),
            world.intake(self.source),
            world.metrics,
            limits,
        )

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.worker.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.worker.stop()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(self.task, timeout=10)


def in_flight(world: MemoryWorld) -> list[InFlightChanged]:
    return [each for each in world.metrics.events if isinstance(each, InFlightChanged)]


async def test_it_ingests_everything_that_is_on_the_stream(world: MemoryWorld) -> None:
    for number in range(11):
        world.publish(f"text {number}")
    async with Running(world):
        await until(lambda: len(world.source.settled) == 11)
    assert world.settlements() == [Ack()] * 11
    assert len(world.repository.rows) == 11


async def test_several_batches_are_in_flight_and_never_more_than_allowed(
    world: MemoryWorld,
) -> None:
    gate = Gate()
    world.with_cipher(FaultyCipher(world.use_case.cipher, gate=gate))
    for number in range(11):
        world.publish(f"text {number}")
    async with Running(world) as running:
        await until(lambda: len(in_flight(world)) == 2)
        fetches = running.source.fetches
        for _ in range(100):
            await asyncio.sleep(0)
        assert running.source.fetches == fetches == 2
        gate.opened.set()
        await until(lambda: len(world.source.settled) == 11)
    assert max(each.batches for each in in_flight(world)) == 2
    assert max(each.messages for each in in_flight(world)) == 4
    assert in_flight(world)[-1] == InFlightChanged(0, 0, 0)


async def test_the_bytes_in_flight_are_bounded_too(world: MemoryWorld) -> None:
    gate = Gate()
    world.with_cipher(FaultyCipher(world.use_case.cipher, gate=gate))
    for number in range(6):
        world.publish(f"{number}" * 1_000)
    limits = evolve(LIMITS, batches_in_flight=10, batch_bytes=3_000, in_flight_bytes=6_000)
    async with Running(world, limits):
        await until(lambda: len(in_flight(world)) == 2)
        gate.opened.set()
        await until(lambda: len(world.source.settled) == 6)
    assert max(each.body_bytes for each in in_flight(world)) <= 6_000


async def test_a_message_larger_than_every_bound_is_handled_alone(world: MemoryWorld) -> None:
    world.publish("x" * 50_000)
    world.publish("small")
    limits = evolve(LIMITS, batch_bytes=3_000, in_flight_bytes=6_000)
    async with Running(world, limits):
        await until(lambda: len(world.source.settled) == 2)
    assert max(each.messages for each in in_flight(world)) == 1
    assert world.settlements() == [Ack(), Ack()]


async def test_a_stop_finishes_what_is_in_hand(world: MemoryWorld) -> None:
    gate = Gate()
    world.with_cipher(FaultyCipher(world.use_case.cipher, gate=gate))
    world.publish("in hand")
    async with Running(world) as running:
        await gate.reached.wait()
        running.worker.stop()
        await asyncio.sleep(0)
        gate.opened.set()
        await running.task
    assert world.settlements() == [Ack()]


async def test_a_stop_gives_back_what_outlasts_the_grace_period(world: MemoryWorld) -> None:
    gate = Gate()
    world.with_cipher(FaultyCipher(world.use_case.cipher, gate=gate))
    world.publish("slow")
    limits = evolve(LIMITS, grace=timedelta(milliseconds=10))
    async with Running(world, limits) as running:
        await gate.reached.wait()
        running.worker.stop()
        await running.task
    assert world.settlements() == [AT_ONCE]


async def test_what_a_fetch_brings_after_the_stop_is_given_back_at_once(
    world: MemoryWorld,
) -> None:
    running = Running(world)
    running.source.fetch_gate = Gate()
    async with running:
        await running.source.fetch_gate.reached.wait()
        world.publish("too late")
        running.worker.stop()
        running.source.fetch_gate.opened.set()
        await running.task
    assert world.settlements() == [AT_ONCE]
    assert world.repository.rows == {}


async def test_within_the_grace_period_no_fetch_is_cancelled(world: MemoryWorld) -> None:
    running = Running(world)
    running.source.fetch_gate = Gate()
    async with running:
        await running.source.fetch_gate.reached.wait()
        world.publish("arrives while the worker is cancelled")
        running.task.cancel()
        await asyncio.sleep(0)
        assert not running.task.done()
        running.source.fetch_gate.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await running.task
    assert world.settlements() == [AT_ONCE]


async def test_a_cancellation_leaves_the_grace_period_to_what_is_in_hand(
    world: MemoryWorld,
) -> None:
    gate = Gate()
    world.with_cipher(FaultyCipher(world.use_case.cipher, gate=gate))
    world.publish("in hand")
    async with Running(world) as running:
        await gate.reached.wait()
        running.task.cancel()
        await asyncio.sleep(0)
        gate.opened.set()
        with pytest.raises(asyncio.CancelledError):
            await running.task
    assert world.settlements() == [Ack()]


@pytest.mark.parametrize("first", ["stop", "cancellation"])
async def test_a_cancellation_during_the_orderly_end_gives_back_at_once_and_leaves_nothing_running(
    world: MemoryWorld, first: str
) -> None:
    gate = Gate()
    world.with_cipher(FaultyCipher(world.use_case.cipher, gate=gate))
    world.publish("slow")
    limits = evolve(LIMITS, grace=timedelta(minutes=10))
    before = asyncio.all_tasks()
    async with Running(world, limits) as running:
        await gate.reached.wait()
        if first == "stop":
            running.worker.stop()
        else:
            running.task.cancel()
        await asyncio.sleep(0)
        running.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running.task, timeout=5)
        assert asyncio.all_tasks() - before <= {running.task}
    assert world.settlements() == [AT_ONCE]


async def test_the_grace_period_begins_with_the_stop_and_not_when_a_fetch_has_ended(
    world: MemoryWorld,
) -> None:
    gate = Gate()
    world.with_cipher(FaultyCipher(world.use_case.cipher, gate=gate))
    world.publish("slow")
    running = Running(world, evolve(LIMITS, grace=timedelta(milliseconds=10)))
    async with running:
        await gate.reached.wait()
        running.source.fetch_gate = Gate()
        await running.source.fetch_gate.reached.wait()
        running.worker.stop()
        await until(lambda: world.settlements() == [AT_ONCE])
        await running.task


async def test_a_fetch_that_waits_for_a_connection_does_not_take_the_whole_grace_period(
    world: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_A_FETCH_ENDS_WITHIN_SECONDS", 0.01)
    running = Running(world, evolve(LIMITS, grace=timedelta(minutes=10)))
    running.source.fetch_gate = Gate()
    async with running:
        await running.source.fetch_gate.reached.wait()
        running.worker.stop()
        await asyncio.wait_for(running.task, timeout=5)


@pytest.mark.parametrize("hurries", [False, True])
async def test_a_fetch_that_outlasts_the_grace_period_does_not_outlast_the_stop(
    world: MemoryWorld,
    hurries: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    before = asyncio.all_tasks()
    grace = timedelta(minutes=10) if hurries else timedelta(milliseconds=10)
    running = Running(world, evolve(LIMITS, grace=grace))
    running.source.fetch_gate = Gate()
    async with running:
        await running.source.fetch_gate.reached.wait()
        running.worker.stop()
        if hurries:
            running.task.cancel()
        done, _ = await asyncio.wait([running.task], timeout=5)
        running.source.fetch_gate.opened.set()
        assert done
        assert asyncio.all_tasks() - before <= {running.task}
        assert running.task.cancelled() is hurries


async def test_while_the_source_is_unavailable_it_is_probed_and_then_fetched_from_again(
    world: MemoryWorld,
) -> None:
    running = Running(world)
    running.source.fetch_faults = [Unavailable(Dependency.SOURCE, "gone")]
    running.source.check_faults = [Unavailable(Dependency.SOURCE, "gone") for _ in range(5)]
    world.publish("patient")
    async with running:
        await until(lambda: len(world.source.settled) == 1)
    assert world.metrics.events.count(FetchFailed(Dependency.SOURCE)) == 1
    assert world.metrics.events.count(IntakePaused(Dependency.SOURCE)) == 1
    assert world.metrics.events.count(IntakeResumed(Dependency.SOURCE)) == 1
    assert isinstance(world.metrics.outcomes()[0], Stored)


async def test_it_pauses_for_what_failed_the_source_and_not_for_the_source(
    world: MemoryWorld,
) -> None:
    running = Running(world)
    running.source.fetch_faults = [Unavailable(Dependency.REPOSITORY, "it keeps the floor")]
    world.publish("patient")
    async with running:
        await until(lambda: len(world.source.settled) == 1)
    assert [each for each in world.metrics.events if isinstance(each, _OF_INTAKE)] == [
        FetchFailed(Dependency.REPOSITORY),
        IntakePaused(Dependency.REPOSITORY),
        IntakeResumed(Dependency.REPOSITORY),
    ]


@pytest.mark.parametrize("fault", [KeyError, asyncio.CancelledError])
async def test_an_unforeseen_fault_of_the_source_does_not_end_it(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture, fault: type[BaseException]
) -> None:
    running = Running(world)
    running.source.fetch_faults = [fault("canary")]
    world.publish("patient")
    async with running:
        await until(lambda: len(world.source.settled) == 1)
    assert fault.__name__ in caplog.text
    assert "canary" not in caplog.text


async def test_an_outage_costs_each_message_few_deliveries_and_the_rest_none(
    world: MemoryWorld,
) -> None:
    cipher = FaultyCipher(world.use_case.cipher, raises=Unavailable(Dependency.CIPHER, "down"))
    cipher.check_faults = [Unavailable(Dependency.CIPHER, "down") for _ in range(50)]
    world.with_cipher(cipher)
    for number in range(20):
        world.publish(f"text {number}")
    async with Running(world):
        await until(lambda: len(cipher.check_faults) < 10)
        delivered = len(world.source.settled)
        cipher.raises = None
        cipher.check_faults.clear()
        await until(lambda: world.settlements().count(Ack()) == 20)
    assert delivered <= LIMITS.batch_messages * LIMITS.batches_in_flight
    assert len(world.source.settled) == 20 + delivered


async def test_while_it_is_paused_a_stop_ends_it_at_once(world: MemoryWorld) -> None:
    running = Running(world)
    running.source.fetch_faults = [Misconfigured(Dependency.SOURCE, "no such consumer")]
    running.source.check_gate = Gate()
    async with running:
        await running.source.check_gate.reached.wait()
        running.worker.stop()
        await asyncio.wait_for(running.task, timeout=5)


async def test_a_batch_that_takes_long_asks_for_more_time(world: MemoryWorld) -> None:
    gate = Gate()
    world.with_cipher(FaultyCipher(world.use_case.cipher, gate=gate))
    world.publish("slow")
    async with Running(world) as running:
        await until(lambda: running.source.extended >= 3)
        gate.opened.set()
        await until(lambda: in_flight(world)[-1].batches == 0)
        extended = running.source.extended
        for _ in range(100):
            await asyncio.sleep(0)
        assert running.source.extended == extended
    assert world.settlements() == [Ack()]


async def test_two_workers_share_the_stream(world: MemoryWorld) -> None:
    for number in range(20):
        world.publish(f"text {number}")
    async with Running(world), Running(world):
        await until(lambda: len(world.source.settled) == 20)
    assert world.settlements() == [Ack()] * 20
    assert len(world.repository.rows) == 20
