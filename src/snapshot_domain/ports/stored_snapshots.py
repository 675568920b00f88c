"""StoredSnapshots: what was stored, read on from a position."""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from snapshot_domain.model import StoredPosition
from snapshot_domain.ports.snapshot_listener import SnapshotNotice


@frozen
class StoredPage:
    """Notices in the order of their positions, and where to read on: all up to there is in it."""

    notices: Sequence[SnapshotNotice]
    read_to: StoredPosition


class StoredSnapshots(Protocol):
    """Hands out the notices of all stored snapshots, whichever process stored them.

    Raises `Unavailable` when the store does not answer, and `Misconfigured` when an operator must
    act.
    """

    async def since(self, position: StoredPosition, limit: int) -> StoredPage:
        """Up to `limit` notices whose positions are greater; fewer if there are no more yet.

        Never beyond the oldest transaction that still runs: whatever is committed later has a
        position greater than `read_to`. A notice says what the one said that was told at once, as
        far as the runs beside it are still kept. A copy that a split made has no notice, and
        neither has what others wrote. Raises `Misconfigured` for a position that this store
        cannot have given.
        """
        ...
