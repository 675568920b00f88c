"""What is wrong with a command line, beyond what its parser finds."""

from snapshot_domain.errors import SnapshotIngestError


class UsageError(SnapshotIngestError):
    """The options contradict each other or cannot be meant."""
