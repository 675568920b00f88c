"""A listener with a name: told of all that is stored, in order, from the position that is kept."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from snapshot_domain.listening.feed import Feed, Progress
from snapshot_domain.listening.telling import ListeningLimits, Telling
from snapshot_domain.model import BEFORE_ALL, StoredPosition
from snapshot_domain.ports import (
    Clock,
    HolderId,
    KeptPositions,
    Metrics,
    SnapshotNotice,
    StoredSnapshots,
)


class Follower(Feed):
    """Reads on from the kept position, tells, and moves it: at least once, and in order.

    Of all processes one holds the claim on the name. What is put here only says that it is time
    to look.
    """

    def __init__(
        self,
        telling: Telling,
        holder: UUID,
        snapshots: StoredSnapshots,
        positions: KeptPositions,
        store: asyncio.Lock,
        metrics: Metrics,
        clock: Clock,
        limits: ListeningLimits,
    ) -> None:
        super().__init__(telling, store, metrics, clock, limits)
        self._holder = HolderId(holder)
        self._snapshots = snapshots
        self._positions = positions
        self._newest_put = BEFORE_ALL
        self._position: StoredPosition | None = None
        self._kept_at_seconds = 0.0
        self._has_more = False

    @property
    def queued(self) -> int:
        """See Feed: it has no queue but the store."""
        return 0

    @property
    def is_behind(self) -> bool:
        """See Feed."""
        return self._has_more or self.telling.is_failing

    def put(self, notices: Sequence[SnapshotNotice]) -> None:
        """See Feed."""
        self._newest_put = max(self._newest_put, *(notice.position for notice in notices))
        self.wake()

    async def round(self) -> Progress:
        """See Feed."""
        position = await self._claimed()
        if position is None:
            self._has_more = False
            return Progress.ELSEWHERE
        # Unless this goes well, the store says where to read on: another server may answer then,
        # which has not seen all transactions of the last one.
        self._position = None
        page = await self.ask(lambda: self._snapshots.since(position, self.limits.page_notices))
        if page.notices:
            if not await self.telling.tell(page.notices):
                return Progress.FAILED
            if not await self._move(page.read_to):
                return Progress.ELSEWHERE
        self._position = page.read_to
        self._has_more = len(page.notices) == self.limits.page_notices
        if self._has_more:
            return Progress.MORE
        return Progress.DONE if self._newest_put <= page.read_to else Progress.NOT_YET

    async def end(self) -> None:
        """See Feed: lets go, so that another process need not wait."""
        await self.ask(lambda: self._positions.let_go(self.telling.name, self._holder))

    async def _claimed(self) -> StoredPosition | None:
        """Where to read on, by a claim that lasts for the next call; None if another has it."""
        age_seconds = self.clock.monotonic() - self._kept_at_seconds
        left_seconds = self.limits.claim_lasts.total_seconds() - age_seconds
        if self._position is not None and left_seconds > self.limits.call_timeout.total_seconds():
            return self._position
        began_seconds = self.clock.monotonic()
        self._position = await self.ask(
            lambda: self._positions.claim(self.telling.name, self._holder, self.limits.claim_lasts)
        )
        self._kept_at_seconds = began_seconds
        return self._position

    async def _move(self, position: StoredPosition) -> bool:
        began_seconds = self.clock.monotonic()
        moved = await self.ask(
            lambda: self._positions.move(
                self.telling.name, self._holder, position, self.limits.claim_lasts
            )
        )
        self._kept_at_seconds = began_seconds
        return moved
