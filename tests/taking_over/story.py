"""The take-over: the former subscriber ends over its work, and our worker goes on."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

from attrs import frozen

from snapshot_domain.tasks import cancel
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.takeover.parties import Patience, Step
from support.at_work import at_work
from support.handing_over import HandedOver
from support.waiting import until_true
from taking_over.load import Load, stored

_DEADLINE_SECONDS = 120.0


@frozen(kw_only=True)
class Figures:
    """What came of it. `unsettled` were in the former subscriber's hands when it ended.

    `lost` and `twice` are rows too few and too many. `quiet_seconds` and `replaced_seconds` are
    counted from that end: until nothing was in hand any more, and until our consumer was there;
    `pause_seconds` until our worker had stored its first row.
    """

    published: int
    stored_before: int
    unsettled: int
    rows_added: int
    stored_after: int
    lost: int
    twice: int
    quiet_seconds: float
    replaced_seconds: float
    pause_seconds: float

    def lines(self) -> list[str]:
        """Each with its name."""
        return [
            f"published                     {self.published:7,}",
            f"stored before, by the former  {self.stored_before:7,}",
            f"in its hands, not settled     {self.unsettled:7,}",
            f"rows added to the timelines   {self.rows_added:7,}",
            f"stored after, by our worker   {self.stored_after:7,}",
            f"stored twice                  {self.twice:7,}",
            f"lost                          {self.lost:7,}",
            f"nothing in hand after         {self.quiet_seconds:7.1f} s",
            f"our consumer made after       {self.replaced_seconds:7.1f} s",
            f"first row of ours after       {self.pause_seconds:7.1f} s",
        ]


async def taken_over(
    world: HandedOver,
    *,
    devices: int,
    rate: float,
    turn: timedelta,
    ack_wait_seconds: float | None,
    orderly: bool = False,
    patience: Patience | None = None,
    worker: Sequence[str] = (),
) -> Figures:
    """Publishes throughout: for one turn the former subscriber works, after that our worker.

    The former one is killed over its work, unless its end is `orderly`. `worker` are settings
    of ours. With several batches in flight a device's snapshots may overtake each other, and then
    a text that came late is stored beside the like of it (rule 4 of the timeline).
    """
    load = Load(world, devices, rate)
    await load.register()
    publishing = asyncio.create_task(load.publish())
    try:
        async with AsyncExitStack() as ours:
            async with world.former(ack_wait=ack_wait_seconds) as former:
                # Our worker is there from the beginning, and waits for the take-over.
                ingestion = await ours.enter_async_context(open_ingestion(world.settings(*worker)))
                await ours.enter_async_context(at_work(ingestion))
                await asyncio.sleep(turn.total_seconds())
                if orderly:
                    await former.begin_to_end()
                    await until_true(_nothing_in_hand(world), seconds=_DEADLINE_SECONDS)
                else:
                    await former.stop_in_the_middle()
            before = await _rows(world)
            steps = _Steps()
            account = await world.take_over(tell=steps, patience=patience or Patience())

            async def has_stored() -> bool:
                return await _rows(world) > before

            await until_true(has_stored, seconds=_DEADLINE_SECONDS)
            pause = steps.seconds
            await asyncio.sleep(turn.total_seconds())
            await cancel(publishing)

            async def is_settled() -> bool:
                return not await world.unsettled()

            await until_true(is_settled, seconds=_DEADLINE_SECONDS)
    finally:
        await cancel(publishing)
    found, expected = await stored(world, devices), load.expected
    return Figures(
        published=load.published,
        stored_before=before,
        unsettled=account.unsettled or 0,
        rows_added=account.rows_added or 0,
        stored_after=found.total() - before,
        lost=(expected - found).total(),
        twice=(found - expected).total(),
        quiet_seconds=steps.at[Step.QUIET],
        replaced_seconds=steps.at[Step.MADE],
        pause_seconds=pause,
    )


class _Steps:
    """When each step was done."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.at: dict[Step, float] = {}

    def __call__(self, step: Step) -> None:
        self.at[step] = self.seconds

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began


def _nothing_in_hand(world: HandedOver) -> Callable[[], Awaitable[bool]]:
    async def is_so() -> bool:
        return not (await world.place.info()).num_ack_pending

    return is_so


async def _rows(world: HandedOver) -> int:
    count: int = await world.postgres.admin.fetchval("SELECT count(*) FROM router_config_snapshots")
    return count
