"""What feeds of both kinds share: a round at a time, rests between them, and an end."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto
from typing import TypeVar

from snapshot_domain.errors import DependencyError
from snapshot_domain.events import ListenerObserved
from snapshot_domain.listening.telling import ListeningLimits, Telling
from snapshot_domain.ports import Clock, Metrics, SnapshotNotice
from snapshot_domain.tasks import cancel, is_being_cancelled

T = TypeVar("T")

_LOOKS_AT_THE_END = 5
_DOUBLINGS_AT_MOST = 16


class Progress(Enum):
    """What a round came to, which says when the next one is due."""

    MORE = auto()
    """There is more: at once."""
    DONE = auto()
    """There is nothing more: when something was stored, or other processes may have."""
    IDLE = auto()
    """There is nothing more: when something was stored."""
    NOT_YET = auto()
    """Something was stored that cannot be read yet: soon."""
    ELSEWHERE = auto()
    """Another process tells the listener: later."""
    FAILED = auto()
    """The listener, or what is read for it: after a growing delay."""


class Feed(ABC):
    """Tells one listener, round by round, until it is stopped and has nothing more to tell."""

    def __init__(
        self,
        telling: Telling,
        store: asyncio.Lock,
        metrics: Metrics,
        clock: Clock,
        limits: ListeningLimits,
    ) -> None:
        """`store` is shared by all feeds, so that together they take one connection at a time."""
        self.telling = telling
        self.limits = limits
        self.clock = clock
        self._store = store
        self._metrics = metrics
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._looks_in_vain = 0

    @abstractmethod
    def put(self, notices: Sequence[SnapshotNotice]) -> None:
        """Takes note of what was stored. Returns at once."""

    @abstractmethod
    async def round(self) -> Progress:
        """Tells some of it. May raise `DependencyError`."""

    @property
    @abstractmethod
    def queued(self) -> int:
        """How many notices wait in memory."""

    @property
    @abstractmethod
    def is_behind(self) -> bool:
        """Whether the listener is to be told of something that must be read for it first."""

    @abstractmethod
    async def end(self) -> None:
        """Called once nothing more is told. May raise `DependencyError`."""

    def stop(self) -> None:
        """Ends it once it has nothing more to tell, or at its next failure."""
        self._stopping.set()
        self._woken.set()

    def wake(self) -> None:
        """There is something to tell."""
        self._woken.set()

    async def run(self) -> None:
        """Returns after a stop."""
        while True:
            self._woken.clear()
            progress = await self._try_round()
            self.observe()
            if self._stopping.is_set() and not self._goes_on_after(progress):
                return
            await self._rest_after(progress)

    def observe(self) -> None:
        """Says how far the listener is."""
        self._metrics.record(
            ListenerObserved(self.telling.name, self.queued, behind=self.is_behind)
        )

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """What the store answers; one feed asks at a time."""
        async with self._store:
            return await question()

    def _goes_on_after(self, progress: Progress) -> bool:
        """Whether a feed that is stopped has a round more: others may write for a long time."""
        if progress is Progress.NOT_YET:
            return self._looks_in_vain < _LOOKS_AT_THE_END
        return progress is Progress.MORE

    async def _try_round(self) -> Progress:
        try:
            return await self.round()
        except DependencyError as fault:
            self.telling.note_failure(f"is not told: {fault}")
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            self.telling.note_failure("is not told: unforeseen CancelledError")
        except Exception as fault:  # noqa: BLE001 - a listener that is told late is no reason to end
            self.telling.note_failure(f"is not told: unforeseen {type(fault).__name__}")
        return Progress.FAILED

    async def _rest_after(self, progress: Progress) -> None:
        look_every = self.limits.look_every.total_seconds()
        self._looks_in_vain = self._looks_in_vain + 1 if progress is Progress.NOT_YET else 0
        match progress:
            case Progress.MORE:
                await asyncio.sleep(0)
            case Progress.DONE:
                await self._until(self._woken, look_every)
            case Progress.IDLE:
                await self._woken.wait()
            case Progress.NOT_YET:
                doublings = min(self._looks_in_vain - 1, _DOUBLINGS_AT_MOST)
                soonest = self.limits.soonest_look.total_seconds()
                await self.clock.sleep(min(soonest * 2.0**doublings, look_every))
            case Progress.ELSEWHERE:
                await self._until(self._stopping, look_every)
            case Progress.FAILED:
                await self._until(self._stopping, self.telling.retry_seconds)

    async def _until(self, event: asyncio.Event, seconds: float) -> None:
        """Until it is set, or so long."""
        if event.is_set():
            return
        tasks = [
            asyncio.ensure_future(event.wait()),
            asyncio.ensure_future(self.clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(*tasks)
