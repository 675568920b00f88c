"""A listener without a name: told of what its own process stored, as it is stored."""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice

from attrs import define

from snapshot_domain.journal import logger
from snapshot_domain.listening.feed import Feed, Progress
from snapshot_domain.listening.telling import ListeningLimits, Telling
from snapshot_domain.model import StoredPosition
from snapshot_domain.ports import Clock, Metrics, SnapshotNotice, StoredSnapshots


@define
class _Span:
    """What is read from the store in place of the queue: all after `start`, and beyond `until`.

    `read_to` is how far it was read.
    """

    start: StoredPosition
    until: StoredPosition
    read_to: StoredPosition


class LiveFeed(Feed):
    """A bounded queue. What finds no room in it is read from the store, before what comes later.

    A notice may be told twice then, and never goes untold while the process lives.
    """

    def __init__(
        self,
        telling: Telling,
        snapshots: StoredSnapshots,
        store: asyncio.Lock,
        metrics: Metrics,
        clock: Clock,
        limits: ListeningLimits,
    ) -> None:
        super().__init__(telling, store, metrics, clock, limits)
        self._snapshots = snapshots
        self._queue: deque[SnapshotNotice] = deque()
        self._missed: _Span | None = None
        self._read: _Span | None = None

    @property
    def queued(self) -> int:
        """See Feed."""
        return len(self._queue)

    @property
    def is_behind(self) -> bool:
        """See Feed."""
        return self._missed is not None

    def put(self, notices: Sequence[SnapshotNotice]) -> None:
        """See Feed."""
        self._take([each for each in notices if not self._was_read(each.position)])
        self.wake()

    async def round(self) -> Progress:
        """See Feed."""
        if self._queue:
            return await self._tell_queued()
        if self._missed is not None:
            return await self._catch_up(self._missed)
        return Progress.IDLE

    async def end(self) -> None:
        """See Feed."""
        if self._queue or self._missed is not None:
            logger.warning(
                "the listener %s was not told of everything: %d notices and what was dropped "
                "before them end with this process; give it a name to have its position kept",
                self.telling.name,
                len(self._queue),
            )

    def _was_read(self, position: StoredPosition) -> bool:
        """Catching up may read what its worker has not put yet."""
        return self._read is not None and self._read.start < position <= self._read.read_to

    def _take(self, notices: Sequence[SnapshotNotice]) -> None:
        if not notices:
            return
        positions = [notice.position for notice in notices]
        lowest, highest = min(positions), max(positions)
        if self._missed is not None and lowest > self._missed.start:
            self._missed.until = max(self._missed.until, highest)
        elif len(self._queue) + len(notices) <= self.limits.queue_notices:
            # An older transaction than the first that was missed may be committed after it.
            self._queue.extend(notices)
        else:
            self._miss(lowest.before, highest)

    def _miss(self, start: StoredPosition, until: StoredPosition) -> None:
        if self._missed is None:
            logger.warning("the listener %s is behind, and catches up", self.telling.name)
        else:
            until = max(until, self._missed.until)
        self._missed = _Span(start, until, read_to=start)
        self.observe()

    async def _tell_queued(self) -> Progress:
        notices = list(islice(self._queue, self.limits.page_notices))
        if not await self.telling.tell(notices):
            return Progress.FAILED
        for _ in notices:
            self._queue.popleft()
        return Progress.MORE

    async def _catch_up(self, missed: _Span) -> Progress:
        page = await self.ask(
            lambda: self._snapshots.since(missed.read_to, self.limits.page_notices)
        )
        if page.notices and not await self.telling.tell(page.notices):
            return Progress.FAILED
        missed.read_to = page.read_to
        if self._missed is not missed:
            return Progress.MORE  # an older one was missed meanwhile: from there again
        if missed.read_to < missed.until:
            return Progress.MORE if page.notices else Progress.NOT_YET
        logger.info("the listener %s has caught up", self.telling.name)
        self._missed, self._read = None, missed
        return Progress.MORE
