"""KeptPositions in memory."""

from datetime import datetime, timedelta

from attrs import define, field

from snapshot_domain.model import BEFORE_ALL, StoredPosition
from snapshot_domain.ports import Clock, HolderId


@define
class _Kept:
    """A position, and whose it is until when."""

    position: StoredPosition
    holder: HolderId | None
    held_until: datetime


@define
class MemoryKeptPositions:
    """A dictionary by name, by the clock that it is given."""

    _clock: Clock
    kept: dict[str, _Kept] = field(factory=dict)

    def position_of(self, name: str) -> StoredPosition:
        """What is kept under the name."""
        known = self.kept.get(name)
        return BEFORE_ALL if known is None else known.position

    async def claim(self, name: str, holder: HolderId, lasts: timedelta) -> StoredPosition | None:
        """See KeptPositions."""
        now = self._clock.now()
        known = self.kept.setdefault(name, _Kept(BEFORE_ALL, None, now))
        if known.holder not in (None, holder) and known.held_until > now:
            return None
        known.holder, known.held_until = holder, now + lasts
        return known.position

    async def move(
        self, name: str, holder: HolderId, position: StoredPosition, lasts: timedelta
    ) -> bool:
        """See KeptPositions."""
        known = self.kept.get(name)
        if known is None or known.holder != holder or position < known.position:
            return False
        known.position, known.held_until = position, self._clock.now() + lasts
        return True

    async def let_go(self, name: str, holder: HolderId) -> None:
        """See KeptPositions."""
        known = self.kept.get(name)
        if known is not None and known.holder == holder:
            known.holder = None
