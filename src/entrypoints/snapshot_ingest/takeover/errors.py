"""What stands against a take-over."""

from snapshot_domain.errors import SnapshotIngestError


class TakeOverError(SnapshotIngestError):
    """The stream cannot be handed over now; nothing is lost, and it may be tried again."""
