"""Listening: everybody who wants to know what was stored, told beside the worker."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from snapshot_domain.backoff import Backoff
from snapshot_domain.errors import DependencyError
from snapshot_domain.journal import logger
from snapshot_domain.listening.feed import Feed
from snapshot_domain.listening.follower import Follower
from snapshot_domain.listening.live_feed import LiveFeed
from snapshot_domain.listening.telling import ListeningLimits, Telling
from snapshot_domain.ports import (
    Clock,
    KeptPositions,
    Metrics,
    NamedListener,
    SnapshotListener,
    SnapshotNotice,
    StoredSnapshots,
)
from snapshot_domain.tasks import forget_fault_of, to_its_end

_END_SECONDS = 2.0


class Listening:
    """Tells each listener at its own pace: none holds up ingestion, or another listener.

    `put` may be called from the start; telling begins with `run`.
    """

    def __init__(
        self,
        listeners: Sequence[SnapshotListener],
        snapshots: StoredSnapshots,
        positions: KeptPositions,
        metrics: Metrics,
        clock: Clock,
        backoff: Backoff,
        limits: ListeningLimits | None = None,
    ) -> None:
        """Raises `ValueError` if two listeners have one name."""
        self._snapshots = snapshots
        self._positions = positions
        self._metrics = metrics
        self._clock = clock
        self._backoff = backoff
        self._limits = limits or ListeningLimits()
        self._store = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._grace_seconds = 0.0
        names = [each.name for each in listeners if isinstance(each, NamedListener)]
        if len(set(names)) < len(names):
            raise ValueError("two listeners have one name")
        self._feeds = [self._feed(listener) for listener in listeners]

    @property
    def has_listeners(self) -> bool:
        """Whether anybody wants to know."""
        return bool(self._feeds)

    @property
    def queued(self) -> int:
        """How many notices wait in memory, over all listeners."""
        return sum(feed.queued for feed in self._feeds)

    def put(self, notices: Sequence[SnapshotNotice]) -> None:
        """Takes note of what was committed, and returns at once."""
        if not notices:
            return
        for feed in self._feeds:
            feed.put(notices)

    async def run(self) -> None:
        """Tells until it is stopped. A cancellation ends it without the grace."""
        telling = {asyncio.ensure_future(feed.run()): feed for feed in self._feeds}
        try:
            await self._stopping.wait()
            if telling:
                await asyncio.wait(telling, timeout=self._grace_seconds)
        finally:
            await to_its_end(_end(telling))

    def stop(self, grace: timedelta) -> None:
        """Asks for an end once all is told, after so long at most.

        What is left then is told at the next start, if the listener has a name.
        """
        self._grace_seconds = grace.total_seconds()
        for feed in self._feeds:
            feed.stop()
        self._stopping.set()

    def _feed(self, listener: SnapshotListener) -> Feed:
        name = listener.name if isinstance(listener, NamedListener) else type(listener).__name__
        telling = Telling(listener, name, self._metrics, self._backoff, self._limits)
        around = (self._store, self._metrics, self._clock, self._limits)
        if not isinstance(listener, NamedListener):
            return LiveFeed(telling, self._snapshots, *around)
        holder = UUID(int=self._backoff.random.getrandbits(128))
        return Follower(telling, holder, self._snapshots, self._positions, *around)


async def _end(telling: "dict[asyncio.Task[None], Feed]") -> None:
    """Takes no longer than a few seconds, whatever a listener does about its cancellation."""
    if not telling:
        return
    for task in telling:
        task.cancel()
    ended, unending = await asyncio.wait(telling, timeout=_END_SECONDS)
    for task in ended:
        forget_fault_of(task)
    for task in unending:
        logger.error("the listener %s does not end, and is left", telling[task].telling.name)
    endings = [asyncio.ensure_future(_end_of(feed)) for feed in telling.values()]
    _, unending = await asyncio.wait(endings, timeout=_END_SECONDS)
    for ending in unending:
        ending.cancel()


async def _end_of(feed: Feed) -> None:
    try:
        await feed.end()
    except DependencyError as fault:
        what = str(fault)
    except Exception as fault:  # noqa: BLE001 - nobody waits for more than the claim's own end
        what = f"unforeseen {type(fault).__name__}"
    else:
        return
    logger.warning("the listener %s keeps its claim to its end: %s", feed.telling.name, what)
