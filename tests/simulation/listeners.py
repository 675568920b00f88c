"""What a listener needs, and the listener itself, in whatever weather there is."""

from collections.abc import Sequence
from datetime import timedelta

from attrs import frozen

from simulation.ports import Passage
from snapshot_domain.errors import Dependency
from snapshot_domain.model import StoredPosition
from snapshot_domain.ports import (
    HolderId,
    KeptPositions,
    SnapshotListener,
    SnapshotNotice,
    StoredPage,
    StoredSnapshots,
)

_FAILS = 0.2
"""The share of calls that fail before the notices are taken, and of the rest after it."""


@frozen(eq=False)
class StormySnapshots:
    """Pages come late, or not at all."""

    inner: StoredSnapshots
    passage: Passage

    async def since(self, position: StoredPosition, limit: int) -> StoredPage:
        """See StoredSnapshots."""
        await self.passage.cross(Dependency.REPOSITORY, f"read since {position}")
        page = await self.inner.since(position, limit)
        await self.passage.cross(Dependency.REPOSITORY, f"read to {page.read_to}")
        return page


@frozen(eq=False)
class StormyPositions:
    """Loses the answers of moves, as of any commit."""

    inner: KeptPositions
    passage: Passage

    async def claim(self, name: str, holder: HolderId, lasts: timedelta) -> StoredPosition | None:
        """See KeptPositions."""
        await self.passage.cross(Dependency.REPOSITORY, "claim")
        return await self.inner.claim(name, holder, lasts)

    async def move(
        self, name: str, holder: HolderId, position: StoredPosition, lasts: timedelta
    ) -> bool:
        """See KeptPositions."""
        await self.passage.cross(Dependency.REPOSITORY, f"move to {position}")
        moved = await self.inner.move(name, holder, position, lasts)
        await self.passage.cross(Dependency.REPOSITORY, f"moved to {position}")
        return moved

    async def let_go(self, name: str, holder: HolderId) -> None:
        """See KeptPositions."""
        await self.passage.cross(Dependency.REPOSITORY, "let go")
        await self.inner.let_go(name, holder)


@frozen(eq=False)
class StormyListener:
    """Takes its time, fails before or after it took the notices, and now and then hangs."""

    inner: SnapshotListener
    passage: Passage

    async def stored(self, notices: Sequence[SnapshotNotice]) -> None:
        """See SnapshotListener."""
        await self.passage.step(f"tell {len(notices)}")
        if self.passage.weather.strikes(_FAILS):
            raise RuntimeError("the listener does not feel like it")
        await self.inner.stored(notices)
        if self.passage.weather.strikes(_FAILS):
            raise RuntimeError("the listener took them, and fails all the same")
