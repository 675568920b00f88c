"""Readiness asks each dependency, rarely, and says in our own words what is wrong."""

import asyncio
from datetime import timedelta
from random import Random

import pytest

from snapshot_domain.backoff import Backoff
from snapshot_domain.digests import PlainDigests
from snapshot_domain.errors import Dependency, Misconfigured, Unavailable
from snapshot_domain.intake import Intake
from snapshot_ingest.readiness import Readiness
from snapshot_memory import (
    ManualClock,
    MemoryCipher,
    MemoryDeviceDirectory,
    MemoryHashRepository,
    MemoryKeyring,
    MemoryMessageSource,
    MemoryMetrics,
    MemoryQuarantine,
)
from support.faults import Gate
from support.waiting import until

CANARY = "canary-1c9e77f0"
ANSWER_KEPT = timedelta(seconds=2)


class _Checked:
    """Counts its checks; each fails or waits as a test says."""

    asked = 0
    raises: BaseException | None = None
    gate: Gate | None = None

    async def check(self) -> None:
        self.asked += 1
        if self.gate is not None:
            await self.gate.pass_through()
        if self.raises is not None:
            raise self.raises


class _Source(_Checked, MemoryMessageSource):
    pass


class _Repository(_Checked, MemoryHashRepository):
    pass


class _Cipher(_Checked, MemoryCipher):
    pass


class _World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.source = _Source(self.clock)
        self.repository = _Repository(MemoryDeviceDirectory())
        self.cipher = _Cipher(MemoryKeyring())
        directory = MemoryDeviceDirectory()
        self.intake = Intake(
            source=self.source,
            directory=directory,
            repository=self.repository,
            cipher=self.cipher,
            quarantine=MemoryQuarantine(),
            metrics=MemoryMetrics(),
            clock=self.clock,
            backoff=Backoff(Random(7)),
            digests=PlainDigests(),
        )
        self.readiness = self.another_readiness()

    def another_readiness(self) -> Readiness:
        return Readiness(
            self.source,
            self.repository,
            self.cipher,
            self.intake,
            self.clock,
            PlainDigests(),
            timeout_seconds=0.05,
        )

    @property
    def asked(self) -> tuple[int, int, int]:
        return (self.source.asked, self.repository.asked, self.cipher.asked)


@pytest.fixture
def world() -> _World:
    return _World()


async def test_while_intake_pauses_it_is_not_ready_whatever_the_dependency_answers(
    world: _World,
) -> None:
    await world.readiness.faults()
    world.intake.pause(Dependency.CIPHER, "the role was refused")
    assert dict(await world.readiness.faults()) == {"cipher": "the role was refused"}
    await world.intake.until_open()
    assert dict(await world.readiness.faults()) == {}


async def test_it_is_ready_when_source_repository_and_cipher_answer(world: _World) -> None:
    assert dict(await world.readiness.faults()) == {}
    assert world.asked == (1, 1, 1)


async def test_an_answer_is_kept_for_two_seconds_and_no_longer(world: _World) -> None:
    await world.readiness.faults()
    world.source.raises = Unavailable(Dependency.SOURCE, "gone")
    world.clock.advance(ANSWER_KEPT - timedelta(milliseconds=1))
    assert dict(await world.readiness.faults()) == {}
    assert world.asked == (1, 1, 1)
    world.clock.advance(timedelta(milliseconds=1))
    assert list(await world.readiness.faults()) == ["source"]
    assert world.asked == (2, 2, 2)


async def test_a_fault_is_kept_for_two_seconds_too_and_then_heals(world: _World) -> None:
    world.cipher.raises = Unavailable(Dependency.CIPHER, "gone")
    assert list(await world.readiness.faults()) == ["cipher"]
    world.cipher.raises = None
    assert list(await world.readiness.faults()) == ["cipher"]
    world.clock.advance(ANSWER_KEPT)
    assert dict(await world.readiness.faults()) == {}


async def test_many_who_ask_at_once_ask_the_dependencies_once(world: _World) -> None:
    world.repository.gate = gate = Gate()
    asking = [asyncio.create_task(world.readiness.faults()) for _ in range(20)]
    await until(gate.reached.is_set)
    gate.opened.set()
    assert [dict(answer) for answer in await asyncio.gather(*asking)] == [{}] * 20
    assert world.asked == (1, 1, 1)


async def test_the_dependencies_are_asked_side_by_side(world: _World) -> None:
    gates = [Gate(), Gate(), Gate()]
    world.source.gate, world.repository.gate, world.cipher.gate = gates
    asking = asyncio.create_task(world.readiness.faults())
    await until(lambda: all(gate.reached.is_set() for gate in gates))
    for gate in gates:
        gate.opened.set()
    assert dict(await asking) == {}


async def test_every_fault_is_told_in_its_own_words(world: _World) -> None:
    world.source.raises = Unavailable(Dependency.SOURCE, "no server answers")
    world.repository.raises = Misconfigured(
        Dependency.REPOSITORY, "no rights", next_step="grant them"
    )
    assert dict(await world.readiness.faults()) == {
        "source": "source: no server answers",
        "repository": "repository: no rights; grant them",
    }


async def test_a_check_that_hangs_is_a_fault_and_costs_the_others_nothing(world: _World) -> None:
    world.source.gate = Gate()
    async with asyncio.timeout(10):
        faults = await world.readiness.faults()
    assert dict(faults) == {"source": "no answer within 0.05 s"}


@pytest.mark.parametrize("fault", [ValueError, asyncio.CancelledError])
async def test_of_a_fault_that_nobody_thought_of_only_the_class_is_told(
    world: _World, fault: type[BaseException]
) -> None:
    world.cipher.raises = fault(CANARY)
    assert dict(await world.readiness.faults()) == {"cipher": f"unforeseen {fault.__name__}"}


async def test_a_check_that_fails_before_it_can_be_awaited_is_a_fault_like_any_other(
    world: _World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise ValueError(CANARY)

    monkeypatch.setattr(world.cipher, "check", fails)
    readiness = world.another_readiness()
    assert dict(await readiness.faults()) == {"cipher": "unforeseen ValueError"}


async def test_somebody_who_goes_away_while_asking_leaves_the_next_an_answer(
    world: _World,
) -> None:
    world.source.gate = gate = Gate()
    impatient = asyncio.create_task(world.readiness.faults())
    await until(gate.reached.is_set)
    impatient.cancel()
    await asyncio.wait([impatient])
    world.source.gate = None
    assert dict(await world.readiness.faults()) == {}
