"""One run of chaos, from empty servers to the report."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

from attrs import frozen

from chaos.evidence import gather
from chaos.ledger import Ledger
from chaos.plaintext import files_with_plaintext
from chaos.plan import Strike
from chaos.publisher import Publisher, publishing
from chaos.report import Report
from chaos.striker import FaultRecord, strike
from chaos.traffic import Traffic
from chaos.verdict import verdict_of
from chaos.world import World, chaos_world
from snapshot_conformance.secret_canary import SecretCanary
from support.waiting import until, until_true

_DRAIN_SECONDS_AT_MOST = 120.0
_POLL_SECONDS = 0.1


@frozen
class Story:
    """What is to happen: at least so many messages, at so many a second, under these strikes."""

    seed: int
    plan: Sequence[Strike]
    messages: int
    per_second: int
    devices: int = 300


async def run(story: Story, folder: Path) -> Report:
    """Lets it happen below the folder, which is new or empty, and says what it came to."""
    began = monotonic()
    canary = SecretCanary()
    traffic = Traffic(story.seed, story.devices, canary)
    async with chaos_world(folder, traffic) as world:
        publisher = Publisher(world.poller, traffic.messages(), story.per_second)
        async with publishing(publisher):
            faults = await _strike_all(story, world)
            if all(each.recovery_seconds is not None for each in faults):
                await _until_published(story, publisher.ledger)
        ended = monotonic()
        unsettled = await _drained(world)
        drained_seconds = monotonic() - ended
        exit_codes = await asyncio.gather(*(worker.stop() for worker in world.crew.workers))
        return Report(
            verdict=verdict_of(publisher.ledger, await gather(world)),
            faults=faults,
            plaintext=await files_with_plaintext(world, canary),
            unsettled=unsettled,
            drained_seconds=drained_seconds,
            exit_codes=exit_codes,
            repeats=publisher.ledger.repeats,
            seconds=monotonic() - began,
        )


async def _strike_all(story: Story, world: World) -> Sequence[FaultRecord]:
    """As many as the plan has, but none after one that was not survived."""
    records: list[FaultRecord] = []
    for each in story.plan:
        records.append(await strike(each, world))
        if records[-1].recovery_seconds is None:
            break
    return records


async def _until_published(story: Story, ledger: Ledger) -> None:
    """The report says it if the messages are not enough in the end."""
    with suppress(TimeoutError):
        await until(
            lambda: ledger.published >= story.messages,
            seconds=60 + 2 * story.messages / story.per_second,
            every_seconds=_POLL_SECONDS,
        )


async def _drained(world: World) -> int | None:
    """Waits until everything is settled; returns how many messages are not, after all."""

    async def is_drained() -> bool:
        return await world.unsettled() == 0

    with suppress(TimeoutError):
        await until_true(is_drained, seconds=_DRAIN_SECONDS_AT_MOST)
        return 0
    with suppress(TimeoutError):
        return await world.unsettled()
    return None
