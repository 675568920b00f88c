"""SnapshotListener: is told what was stored, after it was committed."""

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen

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
        """Told after commit and settlement, beside ingestion: it holds up nobody.

        One call at a time. If it raises, or does not return in time and is cancelled, the same
        notices are told again, and others after them: whoever wants to pass over a snapshot
        returns. So a notice may come more than once. It must not block the event loop, and must
        end when it is cancelled.

        A listener without a name is told of what its own process stored, and what that had no
        time to tell is lost with the process. See `NamedListener`.
        """
        ...


def _is_name(_: object, __: object, value: str) -> None:
    if not value or not value.isprintable():
        raise ValueError("a listener's name is printable and not empty")


@frozen
class NamedListener:
    """A listener that is told of all that was stored, whichever process stored it.

    In the order of positions, and at least once: its position is kept under the name, so that it
    goes on where it was. Of all processes that give a listener the same name, one tells it at a
    time.
    """

    name: str = field(validator=_is_name)
    listener: SnapshotListener

    async def stored(self, notices: Sequence[SnapshotNotice]) -> None:
        """See SnapshotListener."""
        await self.listener.stored(notices)
