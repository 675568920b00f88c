"""However the use case is cut short, every delivery is settled exactly once."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from attrs import evolve

from snapshot_domain.delivery import Ack, Retry
from snapshot_domain.errors import Dependency, Unavailable
from snapshot_domain.events import SettlementFailed
from snapshot_domain.secret import RawMessage
from support.faults import FaultyCipher, FaultySource, Gate
from support.memory_world import MemoryWorld

AT_ONCE = Retry(timedelta(0))


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


async def cancel_at(gate: Gate, world: MemoryWorld, *, times: int = 1) -> None:
    """Ingests one batch, and cancels it at the gate, as often as told."""
    deliveries = await world.source.fetch(100, 1 << 20)
    task = asyncio.create_task(world.use_case.ingest(deliveries))
    await gate.reached.wait()
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_before_the_commit_everything_is_given_back_at_once(
    world: MemoryWorld,
) -> None:
    gate = Gate()
    world.with_cipher(FaultyCipher(world.use_case.cipher, gate=gate))
    world.publish("waits")
    world.source.publish("s", RawMessage(b"malformed, and not yet in the quarantine"))
    await cancel_at(gate, world)
    assert world.settlements() == [AT_ONCE, AT_ONCE]
    assert world.repository.rows == {}


async def test_cancelled_after_the_commit_the_acknowledgement_is_still_sent_once(
    world: MemoryWorld,
) -> None:
    gate = Gate()
    world.use_case = evolve(world.use_case, source=FaultySource(world.source, settle_gate=gate))
    world.publish("stored")
    await cancel_at(gate, world)
    assert world.settlements() == [Ack()]
    assert len(world.repository.rows) == 1


@pytest.mark.parametrize("times", [2, 5])
async def test_however_often_it_is_cancelled_while_it_settles_it_settles_once(
    world: MemoryWorld, times: int
) -> None:
    gate = Gate()
    world.use_case = evolve(world.use_case, source=FaultySource(world.source, settle_gate=gate))
    world.publish("stored")
    await cancel_at(gate, world, times=times)
    assert world.settlements() == [Ack()]


async def test_listeners_are_told_of_what_was_stored_by_a_call_that_was_cancelled_as_it_settled(
    world: MemoryWorld,
) -> None:
    gate = Gate()
    world.use_case = evolve(world.use_case, source=FaultySource(world.source, settle_gate=gate))
    world.publish("stored")
    await cancel_at(gate, world)
    await world.tell_listeners()
    [notice] = world.listener.notices
    assert [notice.snapshot_id] == list(world.repository.rows)


async def test_what_was_given_back_is_delivered_again_and_stored(world: MemoryWorld) -> None:
    gate = Gate()
    cipher = FaultyCipher(world.use_case.cipher, gate=gate)
    world.with_cipher(cipher)
    world.publish("waits")
    await cancel_at(gate, world)
    await world.ingest()
    assert await world.texts() == ["waits"]


async def test_an_unconfirmed_settlement_is_counted_and_the_message_comes_again(
    world: MemoryWorld,
) -> None:
    source = FaultySource(world.source, settle_faults=[Unavailable(Dependency.SOURCE, "gone")])
    world.use_case = evolve(world.use_case, source=source)
    world.publish("stored")
    await world.ingest()
    assert SettlementFailed(1) in world.metrics.events
    world.clock.advance(timedelta(seconds=31))
    await world.ingest()
    assert Counter(world.settlements()) == {Ack(): 1}
    assert len(world.repository.rows) == 1
