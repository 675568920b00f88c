"""SnapshotDecoder: from a message's bytes to a snapshot."""

from typing import Protocol

from snapshot_domain.model import Snapshot
from snapshot_domain.outcome import MalformedReason
from snapshot_domain.secret import RawMessage


class SnapshotDecoder(Protocol):
    """Understands what the poller sends."""

    def decode(self, body: RawMessage) -> Snapshot | MalformedReason:
        """The snapshot in the body, or why there is none.

        Never raises for any body, and nothing it returns but the snapshot's own
        `configuration` holds content.
        """
        ...
