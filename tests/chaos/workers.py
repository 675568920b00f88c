"""Three worker processes (`snapshot-ingest run`), and what each says of itself while it runs."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP, SIGTERM
from time import monotonic

import httpx

from snapshot_domain.tasks import cancel
from snapshot_ingest.stack.identity import setpriv
from support.command import RunningCommand

WORKERS = 3

_DIES_WITH_US = (setpriv(), "--pdeathsig=KILL", "--")
_LOOK_EVERY_SECONDS = 0.15
_ANSWER_SECONDS = 1.0
_STOP_SECONDS = 60.0
_REMEMBERED_LOOKS = 30
"""Of all three together: about a second and a half."""

_IN_FLIGHT = "snapshot_ingest_in_flight_messages "
_OUTCOMES = 'snapshot_ingest_outcomes_total{outcome="'
_SETTLED = ("stored", "unchanged", "already_stored", "malformed", "orphan")


class Worker:
    """A seat for one process after the other, with figures over all of them."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self._arguments = tuple(arguments)
        self._folder = folder
        self._url: str | None = None
        self._settled_before = 0
        self._settled_now = 0
        self.in_flight = 0
        self.process = self._started()

    @property
    def settled(self) -> int:
        """How many messages it has handled to their end, as far as it was heard."""
        return self._settled_before + self._settled_now

    def kill(self) -> None:
        """As kill -9 does it; there is nothing left of it when this returns."""
        self.process.end()
        self.in_flight = 0

    def start(self) -> None:
        """Another process takes the seat."""
        self._settled_before += self._settled_now
        self._settled_now, self._url = 0, None
        self.process = self._started()

    def freeze(self) -> None:
        """It neither works nor lets go."""
        self.process.signal_group(SIGSTOP)

    def thaw(self) -> None:
        """It goes on as if no time had passed."""
        self.process.signal_group(SIGCONT)

    async def stop(self) -> int:
        """An orderly stop; returns the exit code."""
        self.process.signal(SIGTERM)
        return await self.process.ended(_STOP_SECONDS)

    async def look(self, client: httpx.AsyncClient) -> None:
        """Asks it for its figures; they stay as they are where it does not answer."""
        process = self.process
        self._url = self._url or process.worker_url_so_far()
        if self._url is None or process.has_ended:
            return
        try:
            text = (await client.get(f"{self._url}/metrics")).text
        except httpx.TransportError:
            return
        if process is self.process:
            self.in_flight, self._settled_now = figures_in(text)

    def _started(self) -> RunningCommand:
        return RunningCommand(self._arguments, self._folder, _DIES_WITH_US)


def figures_in(metrics: str) -> tuple[int, int]:
    """How many messages are in flight, and how many came to their end."""
    in_flight, settled = 0, 0
    for line in metrics.splitlines():
        if line.startswith(_IN_FLIGHT):
            in_flight = int(_value(line))
        if line.startswith(_OUTCOMES) and line.split('"')[1] in _SETTLED:
            settled += int(_value(line))
    return in_flight, settled


def _value(line: str) -> float:
    return float(line.rpartition(" ")[2])


class Crew:
    """All workers, each looked at several times a second."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = workers
        self._past: deque[tuple[float, int]] = deque(maxlen=_REMEMBERED_LOOKS)

    @property
    def in_flight(self) -> int:
        """How many messages are in some worker's hand."""
        return sum(worker.in_flight for worker in self.workers)

    @property
    def settled(self) -> int:
        """How many messages came to their end, redeliveries counted anew."""
        return sum(worker.settled for worker in self.workers)

    @property
    def per_second(self) -> float:
        """How many came to their end a second, over the last seconds."""
        if len(self._past) < 2:
            return 0.0
        (began, first), (ended, last) = self._past[0], self._past[-1]
        return (last - first) / (ended - began)

    async def watch(self) -> None:
        """Keeps the figures fresh, for ever."""
        async with (
            httpx.AsyncClient(trust_env=False, timeout=_ANSWER_SECONDS) as client,
            asyncio.TaskGroup() as watching,
        ):
            for worker in self.workers:
                watching.create_task(self._watch(worker, client))

    async def _watch(self, worker: Worker, client: httpx.AsyncClient) -> None:
        while True:
            await worker.look(client)
            self._past.append((monotonic(), self.settled))
            await asyncio.sleep(_LOOK_EVERY_SECONDS)


@asynccontextmanager
async def crew_of(arguments: Sequence[str], folder: Path) -> AsyncIterator[Crew]:
    """Three workers with these arguments, watched; gone afterwards."""
    folder.mkdir()  # noqa: ASYNC240 - one call, before anything runs
    crew = Crew([Worker(arguments, folder) for _ in range(WORKERS)])
    watching = asyncio.create_task(crew.watch())
    try:
        yield crew
    finally:
        await cancel(watching)
        for worker in crew.workers:
            worker.kill()
