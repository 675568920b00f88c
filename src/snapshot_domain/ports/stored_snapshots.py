"""StoredSnapshots: what was stored, read on from a position."""

from collections.abc import Sequence
from typing import Protocol

from snapshot_domain.model import StoredPosition
from snapshot_domain.ports.snapshot_listener import SnapshotNotice


class StoredSnapshots(Protocol):
    """Hands out the notices of all stored snapshots, whichever process stored them.

    Raises `Unavailable` when the store does not answer, and `Misconfigured` when an operator must
    act.
    """

    async def since(self, position: StoredPosition, limit: int) -> Sequence[SnapshotNotice]:
        """Up to `limit` notices whose positions are greater, in the order of their positions.

        Never beyond the oldest transaction that still runs: whatever is committed later has a
        position greater than all that were handed out. A notice says what the one said that was
        told at once, as far as the runs are still kept. A copy that a split made has no notice.
        Raises `Misconfigured` for a position that this store cannot have given.
        """
        ...
