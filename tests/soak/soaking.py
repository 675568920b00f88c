"""Runs the load, the faults and the sampling beside one worker process, for a given time."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from signal import SIGTERM
from time import monotonic

from attrs import define, field, frozen

from snapshot_domain.tasks import cancel
from snapshot_ingest.stack import EmbeddedStack
from soak.faults import FAULTS, NamedFault
from soak.load import Load
from soak.sampling import Sample, sample_of
from support.command import RunningCommand, running
from support.http import is_ready
from support.real_world import RealWorld, real_world
from support.waiting import until, until_true

_SAMPLED_EVERY_SECONDS = 1.0
_SAMPLES_AT_LEAST = 12
_SAMPLES_WITHIN_SECONDS = 120.0
_RECOVERS_WITHIN_SECONDS = 90.0
# What was in hand when NATS was killed comes again only after the consumer's ack_wait.
_DRAINS_WITHIN_SECONDS = 120.0


@frozen
class Plan:
    """How long, how much, and what befalls the servers; nothing of the warm-up is compared."""

    lasts: timedelta
    warm_up: timedelta
    calm: timedelta = timedelta(seconds=10)
    a_second: int = 40
    faults: Sequence[NamedFault] = FAULTS


@define
class Soaked:
    """What came of it. `recoveries` is how long each fault's end took until it was ready again."""

    samples: list[Sample] = field(factory=list)
    faults: Counter[str] = field(factory=Counter)
    recoveries: list[float] = field(factory=list)
    acknowledged: Counter[str] = field(factory=Counter)
    unanswered: int = 0
    exit_code: int | None = None


async def soak(plan: Plan, stack: EmbeddedStack, folder: Path) -> Soaked:
    """Returns when everything that was published is settled and the worker has stopped.

    Raises TimeoutError where it does not recover or the backlog does not drain.
    """
    async with real_world(stack, folder) as world:
        load = Load(world, plan.a_second)
        await load.prepare()
        async with running(
            "--config", world.config, "run", folder=folder, looked_into=True
        ) as worker:
            soaked = await _run(plan, stack, world, worker, load)
            worker.signal(SIGTERM)
            soaked.exit_code = await worker.ended()
    return soaked


async def _run(
    plan: Plan, stack: EmbeddedStack, world: RealWorld, worker: RunningCommand, load: Load
) -> Soaked:
    url = await worker.worker_url()
    soaked = Soaked()
    publishing = asyncio.create_task(load.run())
    sampling = asyncio.create_task(_sample(soaked, worker, url, stack, world))
    try:
        await _strike_until(monotonic() + plan.warm_up.total_seconds(), plan, stack, world, url)
        soaked.samples.clear()
        struck = await _strike_until(
            monotonic() + plan.lasts.total_seconds(), plan, stack, world, url
        )
        await until(
            lambda: len(soaked.samples) >= _SAMPLES_AT_LEAST,
            seconds=_SAMPLES_WITHIN_SECONDS,
            every_seconds=_SAMPLED_EVERY_SECONDS,
        )
        assert not publishing.done()
        await cancel(publishing)

        async def is_settled() -> bool:
            return await world.unsettled() == 0

        await until_true(is_settled, seconds=_DRAINS_WITHIN_SECONDS)
    finally:
        await cancel(publishing, sampling)
    soaked.faults = Counter(name for name, _ in struck)
    soaked.recoveries = [seconds for _, seconds in struck]
    soaked.acknowledged, soaked.unanswered = load.acknowledged, load.unanswered
    return soaked


async def _strike_until(
    ends_at: float, plan: Plan, stack: EmbeddedStack, world: RealWorld, url: str
) -> list[tuple[str, float]]:
    """The faults that struck, at least one, and how many seconds after its end it was ready."""
    struck: list[tuple[str, float]] = []
    for fault in cycle(plan.faults):
        await asyncio.sleep(plan.calm.total_seconds())
        if struck and monotonic() >= ends_at:
            break
        await fault.strike(stack, world)
        began = monotonic()
        await until_true(lambda: is_ready(url), seconds=_RECOVERS_WITHIN_SECONDS)
        struck.append((fault.name, monotonic() - began))
    return struck


async def _sample(
    soaked: Soaked, worker: RunningCommand, url: str, stack: EmbeddedStack, world: RealWorld
) -> None:
    while True:
        sample = await sample_of(worker, url, stack, world)
        if sample is not None:
            soaked.samples.append(sample)
        await asyncio.sleep(_SAMPLED_EVERY_SECONDS)
