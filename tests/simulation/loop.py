"""An event loop on virtual time, whose order of events is drawn from a seed."""

import asyncio
import heapq
import math
from collections import deque
from contextvars import ContextVar
from datetime import datetime, timedelta
from random import Random

from support.messages import MORNING

worker_running: ContextVar[int] = ContextVar("worker_running", default=0)
"""The number of the worker that a callback belongs to; 0 is the world around them."""

TICK_SECONDS = 0.125
"""Waiting ends on a tick, so that much falls into one moment, whose order is then drawn.

A power of two, whose sums are exact.
"""

_CALLBACKS_AT_MOST = 1_000_000


class Endless(Exception):
    """The simulation does not come to its end: everybody waits, or nobody gets anywhere."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one ready callback at a time, picked by `chance`; if none is ready, time jumps.

    Nothing here waits, opens a socket or knows the real time, so that one seed is one story.
    """

    _ready: "deque[asyncio.Handle]"
    _scheduled: "list[asyncio.TimerHandle]"

    def __init__(self, chance: Random, ends_at_seconds: float) -> None:
        super().__init__()
        self._chance = chance
        self._ends_at_seconds = ends_at_seconds
        self._now_seconds = 0.0
        self._callbacks = 0
        self._killed: set[int] = set()
        self._parked: list[asyncio.Handle] = []

    def time(self) -> float:
        """Seconds since the beginning, in virtual time."""
        return self._now_seconds

    def kill(self, worker: int) -> None:
        """No callback of the worker runs from now on: not a handler, not a `finally`."""
        self._killed.add(worker)

    def revive(self, more_seconds: float) -> None:
        """Lets the killed go on after all, for them to be cleared away once all was looked at."""
        self._killed.clear()
        self._ready.extend(self._parked)
        self._parked.clear()
        self._ends_at_seconds = self._now_seconds + more_seconds
        self._callbacks = 0

    def _run_once(self) -> None:
        """What asyncio calls again and again; the original asks a selector and keeps the order."""
        self._callbacks += 1
        if self._callbacks > _CALLBACKS_AT_MOST:
            raise Endless(f"more than {_CALLBACKS_AT_MOST} callbacks")
        if not self._ready:
            self._jump_to_the_next_timer()
        while self._scheduled and self._scheduled[0].when() <= self._now_seconds:
            self._ready.append(heapq.heappop(self._scheduled))
        if not self._ready:
            return
        self._ready.rotate(-self._chance.randrange(len(self._ready)))
        handle = self._ready.popleft()
        if _worker_of(handle) in self._killed:
            self._parked.append(handle)
        elif not handle.cancelled():
            handle._run()

    def _jump_to_the_next_timer(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)
        if not self._scheduled:
            raise Endless("a deadlock: nothing is ready and no timer is set")
        self._now_seconds = max(self._now_seconds, self._scheduled[0].when())
        if self._now_seconds > self._ends_at_seconds:
            raise Endless(f"not at its end after {self._ends_at_seconds:.0f} virtual seconds")


def _worker_of(handle: asyncio.Handle) -> int:
    # Python 3.11 has no public way to a handle's context.
    context = handle._context  # type: ignore[attr-defined]
    return int(context.get(worker_running, 0))


class LoopClock:
    """The Clock port over the loop's time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """The time of day."""
        return MORNING + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Waits in virtual time, to the next tick."""
        await asyncio.sleep(math.ceil(seconds / TICK_SECONDS) * TICK_SECONDS)
