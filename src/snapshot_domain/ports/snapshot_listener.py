"""SnapshotListener: is told what was stored, after it was committed."""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from snapshot_domain.model import DigestKeyId, SnapshotId, SnapshotKey, StoredPosition


@frozen
class SnapshotNotice:
    """A snapshot was stored. `next_id` is there when it arrived late.

    `next_id` may be a copy, which a split made: nobody is told of that otherwise. `digest_key_id`
    is there if the digest is keyed; the plain one is never in a notice then. `stored_bytes` and
    `format` are those of the ciphertext.
    """

    key: SnapshotKey
    snapshot_id: SnapshotId
    previous_id: SnapshotId | None
    next_id: SnapshotId | None
    position: StoredPosition
    plaintext_bytes: int
    stored_bytes: int
    format: str
    digest_key_id: DigestKeyId | None = None


class SnapshotListener(Protocol):
    """Somebody who wants to know of new snapshots, such as a diff engine."""

    async def stored(self, notices: Sequence[SnapshotNotice]) -> None:
        """Told at most once, after commit and settlement.

        Must return soon; what it raises is only logged. What was stored by a worker that was
        cancelled before it could tell goes untold.
        """
        ...
