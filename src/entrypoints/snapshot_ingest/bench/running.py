"""One contender on one load: started, warmed, and then measured."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from attrs import field, frozen

from snapshot_ingest.bench.case import Cell, Contender
from snapshot_ingest.bench.children import Child, started
from snapshot_ingest.bench.contenders.access import Access
from snapshot_ingest.bench.cpu import cpu_of_each, resident_mib
from snapshot_ingest.bench.errors import BenchError
from snapshot_ingest.bench.figures import WORKER, Figures, Warming
from snapshot_ingest.bench.load import Load
from snapshot_ingest.bench.measuring import messages_for
from snapshot_ingest.bench.world import World

_SAMPLE_SECONDS = 0.1
_WARM_MESSAGES = 1_000
_WARM_MESSAGES_OF_SLOW = 100
_WARM_BYTES = 64 * 1024 * 1024
_SLOW = (Contender.BASELINE, Contender.FRAMEWORK)
_CONTENDERS = "snapshot_ingest.bench.contenders"


@frozen
class Sizing:
    """How long a run is to take, and how fast each cell was when it was last seen."""

    seconds: float
    rates: dict[Cell, float] = field(factory=dict)

    def messages(self, cell: Cell) -> int | None:
        """How many messages take about so long; None for a cell that was never seen."""
        rate = self.rates.get(cell.plain)
        if rate is None:
            return None
        return messages_for(rate, self.seconds, cell.case.size_bytes)

    def learn(self, cell: Cell, rate: float) -> None:
        """The cell was this fast, in messages a second."""
        self.rates[cell.plain] = rate


@frozen
class _Stretch:
    """Some messages, from their release to the settlement of the last."""

    messages: int
    seconds: float
    cpu_us: dict[str, float]


class Run:
    """A contender that is at work on a world: it is given one stretch of messages after another.

    Raises `BenchError` where a process ends, or what it stored is not what it was given.
    """

    def __init__(
        self, world: World, load: Load, access: Access, children: Sequence[Child], *, first: int
    ) -> None:
        self.world = world
        self.load = load
        self.access = access
        self.children = children
        self._first = first
        self.next_number = first
        self._pids = {WORKER: [child.pid for child in children], **world.server_pids}

    def look(self) -> None:
        """Raises if one of the processes has ended."""
        for child in self.children:
            child.look()

    async def stretch(self, messages: int) -> _Stretch:
        """Publishes so many while the consumer is held, and sees how long they take."""
        consumer = self.access.consumer
        await self.world.hold(consumer)
        await self.world.publish(self.load, self.next_number, messages - 1)
        self.next_number += messages
        before = cpu_of_each(self._pids)
        began = time.monotonic()
        await self.world.release(consumer, messages - 1)
        # A pull that waited meanwhile is served when another message comes, not at the release.
        await self.world.publish(self.load, self.next_number - 1, 1)
        ended = await self.world.settled(consumer, self.look)
        after = cpu_of_each(self._pids)
        return _Stretch(
            messages,
            ended - began,
            {name: (after[name] - before[name]) / messages * 1e6 for name in self._pids},
        )

    async def check(self, stored_before: int) -> None:
        """Raises unless each message that changed something has its row, and no other has.

        Of several workers one may be late, and a late text is stored, whatever came meanwhile
        (docs/adr/0002): then an unchanged one may have a row as well.
        """
        published = self.next_number - self._first
        expected = self.load.changes(self._first, published)
        at_most = published if len(self.children) > 1 else expected
        stored = await self.world.stored() - stored_before
        quarantined = await self.world.quarantined()
        if not expected <= stored <= at_most or quarantined:
            raise BenchError(
                f"{stored} rows were stored, and {quarantined} messages quarantined",
                expected=f"{expected} rows, and none",
            )


@asynccontextmanager
async def running(
    world: World, load: Load, cell: Cell, access: Access, *, first: int = 0
) -> AsyncIterator[Run]:
    """The cell's processes at work while the block lasts; then what they stored is checked."""
    stored_before = await world.stored()
    await world.make_consumer(access.consumer)
    async with AsyncExitStack() as stack:
        children = [
            await stack.enter_async_context(
                started(_CONTENDERS, [cell.contender.value], access.encode(), world.log)
            )
            for _ in range(cell.workers)
        ]
        run = Run(world, load, access, children, first=first)
        yield run
    await run.check(stored_before)


async def measured(run: Run, cell: Cell, sizing: Sizing) -> Figures:
    """Warms the contender, and measures it. How many messages it is given, `sizing` says."""
    warming = await run.stretch(warm_messages(cell))
    messages = sizing.messages(cell)
    if messages is None:
        pilot = await run.stretch(warm_messages(cell))
        messages = messages_for(
            pilot.messages / pilot.seconds, sizing.seconds, cell.case.size_bytes
        )
    async with _peak_of(run.children) as peak_mib:
        seen = await run.stretch(messages)
    figures = Figures(
        messages=seen.messages,
        seconds=seen.seconds,
        cpu_us=seen.cpu_us,
        peak_mib=peak_mib(),
        warming=Warming(warming.messages, warming.seconds, sum(warming.cpu_us.values())),
    )
    sizing.learn(cell, figures.rate)
    return figures


def warm_messages(cell: Cell) -> int:
    """A message a tenant, so that each has its data key, and a few at least."""
    if cell.contender in _SLOW:
        return _WARM_MESSAGES_OF_SLOW
    room = _WARM_BYTES // cell.case.size_bytes
    return max(min(_WARM_MESSAGES * cell.workers, room), cell.case.tenants)


@asynccontextmanager
async def _peak_of(children: Sequence[Child]) -> AsyncIterator[Callable[[], float]]:
    """The most memory that one of the processes was seen to hold while the block lasted."""
    peak = 0.0

    async def sample() -> None:
        nonlocal peak
        while True:
            peak = max(peak, *(resident_mib(child.pid) for child in children))
            await asyncio.sleep(_SAMPLE_SECONDS)

    sampling = asyncio.create_task(sample())
    try:
        yield lambda: peak
    finally:
        sampling.cancel()
        await asyncio.wait([sampling])
