"""The simulation: its rules hold in every seed, a seed is one story, and it can find a bug."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from simulation.__main__ import tally
from simulation.loop import Endless, LoopClock, VirtualLoop, worker_running
from simulation.verdict import simulate
from snapshot_domain.batch import Batch
from snapshot_domain.delivery import Ack, Settlement
from snapshot_domain.listening.telling import Telling
from snapshot_domain.ports import STREAM_START, Floor, SnapshotNotice
from snapshot_domain.rejection import Rejection
from snapshot_memory import MemoryHashRepository

TESTS = Path(__file__).parent.parent


def loop_of(seed: int, ends_at_seconds: float = 60) -> VirtualLoop:
    return VirtualLoop(Random(seed), ends_at_seconds)


def test_every_rule_holds_in_hundreds_of_seeds_and_nothing_is_too_rare() -> None:
    result = tally(range(250))
    assert not result.failed, "\n".join(result.lines())
    assert not result.rare(), "\n".join(result.lines())


def test_a_seed_is_the_same_story_in_any_process() -> None:
    def digests(hash_seed: str) -> list[str]:
        paths = [str(TESTS), *filter(None, sys.path)]
        completed = subprocess.run(
            [sys.executable, "-m", "simulation", "--seeds", "50", "--digests"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return completed.stdout.splitlines()

    once, again = digests("1"), digests("4711")
    assert len({line.split()[1] for line in once}) == 50
    assert once == again


def always_ack(*_: object) -> Settlement:
    return Ack()


async def keep_nothing(_: Rejection, __: Batch) -> None: ...


def forget_the_return(_: MemoryHashRepository, __: object, ___: object) -> None: ...


def after_the_last_delivered(floor: Floor | None, created: datetime, last_sequence: int) -> int:
    if floor is None or not floor.holds_of(created, last_sequence):
        return STREAM_START
    return floor.delivered_sequence + 1


def after_any_floor(floor: Floor | None, *_: object) -> int:
    return STREAM_START if floor is None else floor.sequence + 1


async def once_and_never_again(telling: Telling, notices: Sequence[SnapshotNotice]) -> bool:
    await telling._fault_of_call(notices)
    return True


@pytest.mark.parametrize(
    ("where", "bug", "broken"),
    [
        ("simulation.floors.first_unsettled", after_the_last_delivered, "is settled in the end"),
        ("simulation.floors.first_unsettled", after_any_floor, "is settled in the end"),
        ("snapshot_domain.ingest.settlement_for", always_ack, "is acked after its commit"),
        ("snapshot_domain.rejection.Rejection.keep", keep_nothing, "is discarded after it was"),
        ("snapshot_memory.MemoryHashRepository._split", forget_the_return, "newest message's text"),
        (
            "snapshot_domain.listening.telling.Telling.tell",
            once_and_never_again,
            "a listener is told of",
        ),
        ("snapshot_domain.batch.Batch.give_back", Batch.handled, "is settled once"),
    ],
)
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, where: str, bug: Callable[..., object], broken: str
) -> None:
    monkeypatch.setattr(where, bug)
    verdicts = map(simulate, range(60))
    assert any(broken in rule for verdict in verdicts for rule in verdict.violations)


def test_time_jumps_and_nobody_waits() -> None:
    loop = loop_of(0)
    loop.run_until_complete(LoopClock(loop).sleep(50))
    assert loop.time() == 50
    loop.close()


@pytest.mark.parametrize("seconds", [None, 61.0])
def test_a_deadlock_and_a_story_without_end_are_told(seconds: float | None) -> None:
    loop = loop_of(0)
    forever = loop.create_future()
    if seconds is not None:
        loop.call_later(seconds, forever.set_result, None)
    with pytest.raises(Endless):
        loop.run_until_complete(forever)
    loop.close()


def test_the_seed_decides_what_comes_first() -> None:
    def order(seed: int) -> list[int]:
        loop, seen = loop_of(seed), list[int]()
        for number in range(8):
            loop.call_soon(seen.append, number)
        loop.run_until_complete(LoopClock(loop).sleep(1))
        loop.close()
        return seen

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(10)}) > 5


def test_a_killed_worker_takes_no_further_step_until_it_is_buried() -> None:
    loop, steps = loop_of(0), list[str]()

    async def work() -> None:
        worker_running.set(7)
        try:
            await asyncio.sleep(5)
            steps.append("went on")
        finally:
            steps.append("cleared up")

    async def story() -> None:
        task = loop.create_task(work())
        await asyncio.sleep(1)
        loop.kill(7)
        await asyncio.sleep(20)
        assert steps == []
        loop.revive(more_seconds=60)
        await task

    loop.run_until_complete(story())
    assert steps == ["went on", "cleared up"]
    loop.close()
