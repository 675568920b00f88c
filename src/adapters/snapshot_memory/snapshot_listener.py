"""SnapshotListener in memory."""

from collections.abc import Sequence

from attrs import define, field

from snapshot_domain.ports import SnapshotNotice


@define
class MemorySnapshotListener:
    """Remembers what it was told."""

    notices: list[SnapshotNotice] = field(factory=list)

    async def stored(self, notices: Sequence[SnapshotNotice]) -> None:
        """See SnapshotListener."""
        self.notices.extend(notices)
