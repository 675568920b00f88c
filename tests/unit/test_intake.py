"""Intake: paused by an outage, opened by a probe, narrowed by a busy dependency."""

from datetime import timedelta

import pytest

from snapshot_domain.errors import Dependency, Misconfigured, RateLimited, Unavailable
from snapshot_domain.events import IntakePaused, IntakeResumed
from snapshot_domain.intake import Intake
from snapshot_domain.outcome import (
    DependencyBusy,
    DependencyMisconfigured,
    DependencyUnavailable,
    Orphaned,
    Outcome,
    Unforeseen,
)
from support.faults import FaultyCipher, FaultySource
from support.memory_world import MemoryWorld

CIPHER_DOWN = DependencyUnavailable(Dependency.CIPHER)


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


def failing_checks(world: MemoryWorld, times: int) -> FaultyCipher:
    """Makes the cipher's probe fail so many times."""
    cipher = FaultyCipher(world.use_case.cipher)
    cipher.check_faults = [Unavailable(Dependency.CIPHER, "down") for _ in range(times)]
    world.with_cipher(cipher)
    return cipher


async def seconds_until_open(world: MemoryWorld, intake: Intake) -> float:
    before = world.clock.monotonic()
    await intake.until_open()
    return world.clock.monotonic() - before


async def test_it_is_open_at_first_and_after_any_batch_that_met_no_outage(
    world: MemoryWorld,
) -> None:
    intake = world.intake()
    assert await seconds_until_open(world, intake) == 0
    intake.note([Orphaned(), Unforeseen("ValueError")], batches_in_flight=1)
    assert await seconds_until_open(world, intake) == 0
    assert intake.faults == {}


@pytest.mark.parametrize(
    "outcome",
    [CIPHER_DOWN, DependencyMisconfigured(Dependency.CIPHER, "grant it update")],
)
async def test_a_dependency_that_cannot_do_its_work_pauses_it_until_its_probe_succeeds(
    world: MemoryWorld, outcome: Outcome
) -> None:
    cipher = failing_checks(world, 3)
    intake = world.intake()
    intake.note([Orphaned(), outcome], batches_in_flight=1)
    assert list(intake.faults) == [Dependency.CIPHER]
    await intake.until_open()
    assert cipher.check_faults == []
    assert intake.faults == {}
    assert world.metrics.events == [
        IntakePaused(Dependency.CIPHER),
        IntakeResumed(Dependency.CIPHER),
    ]


async def test_it_opens_within_seconds_of_a_recovery_however_long_the_outage(
    world: MemoryWorld,
) -> None:
    failing_checks(world, 500)
    intake = world.intake()
    intake.note([CIPHER_DOWN], batches_in_flight=1)
    seconds = await seconds_until_open(world, intake)
    assert 500 * 1 <= seconds <= 501 * 3


async def test_it_is_open_only_when_every_dependency_answers(world: MemoryWorld) -> None:
    failing_checks(world, 2)
    source = FaultySource(world.source)
    source.check_faults = [Misconfigured(Dependency.SOURCE, "no such consumer")] * 5
    intake = world.intake(source)
    intake.note([CIPHER_DOWN], batches_in_flight=1)
    intake.pause(Dependency.SOURCE, "gone")
    await intake.until_open()
    assert source.check_faults == []
    assert world.metrics.events[-1] == IntakeResumed(Dependency.SOURCE)


async def test_what_fails_another_ones_probe_is_named_too(world: MemoryWorld) -> None:
    source = FaultySource(world.source)
    source.check_faults = [Unavailable(Dependency.REPOSITORY, "it keeps the floor")]
    intake = world.intake(source)
    intake.pause(Dependency.SOURCE, "no such consumer")
    await intake.until_open()
    assert world.metrics.events == [
        IntakePaused(Dependency.SOURCE),
        IntakePaused(Dependency.REPOSITORY),
        IntakeResumed(Dependency.SOURCE),
        IntakeResumed(Dependency.REPOSITORY),
    ]


async def test_the_same_outage_is_told_once(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    intake = world.intake()
    for _ in range(4):
        intake.note([CIPHER_DOWN], batches_in_flight=1)
    assert world.metrics.events == [IntakePaused(Dependency.CIPHER)]
    assert len(caplog.records) == 1


async def test_a_probe_that_lies_is_believed_less_often_each_time(world: MemoryWorld) -> None:
    intake = world.intake()
    pauses = []
    for _ in range(6):
        intake.note([CIPHER_DOWN], batches_in_flight=1)
        pauses.append(await seconds_until_open(world, intake))
    assert pauses[0] <= 0.5
    assert pauses[-1] >= 1.5
    intake.note([Orphaned()], batches_in_flight=1)
    intake.note([CIPHER_DOWN], batches_in_flight=1)
    assert await seconds_until_open(world, intake) <= 0.5


async def test_an_unforeseen_fault_of_a_probe_is_no_recovery(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    source = FaultySource(world.source)
    source.check_faults = [KeyError("canary"), KeyError("canary")]
    intake = world.intake(source)
    intake.pause(Dependency.SOURCE, "gone")
    await intake.until_open()
    assert source.check_faults == []
    assert "canary" not in caplog.text


async def test_a_busy_dependency_halves_the_batches_and_each_good_one_adds_one(
    world: MemoryWorld,
) -> None:
    intake = world.intake()
    assert intake.batches_allowed(8) == 8
    intake.note([DependencyBusy(Dependency.CIPHER)], batches_in_flight=8)
    assert intake.batches_allowed(8) == 4
    intake.note([DependencyBusy(Dependency.CIPHER)], batches_in_flight=4)
    assert intake.batches_allowed(8) == 2
    for allowed in (3, 4, 5):
        intake.note([Orphaned()], batches_in_flight=1)
        assert intake.batches_allowed(8) == allowed
    assert intake.faults == {}


async def test_it_never_narrows_to_nothing(world: MemoryWorld) -> None:
    intake = world.intake()
    intake.note([DependencyBusy(Dependency.CIPHER)], batches_in_flight=1)
    assert intake.batches_allowed(8) == 1


async def test_what_a_busy_dependency_asks_for_is_honoured(world: MemoryWorld) -> None:
    intake = world.intake()
    asked = timedelta(seconds=9)
    intake.note([DependencyBusy(Dependency.CIPHER, asked)], batches_in_flight=4)
    assert await seconds_until_open(world, intake) == 9


def test_the_word_of_a_busy_dependency_counts_for_a_minute_at_most() -> None:
    day = RateLimited(Dependency.CIPHER, "too much", retry_after=timedelta(days=1))
    assert day.retry_after == timedelta(minutes=1)
    assert RateLimited(Dependency.CIPHER, "too much").retry_after is None
