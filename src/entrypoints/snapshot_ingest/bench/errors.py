"""What goes wrong in a bench."""

from snapshot_domain.errors import SnapshotIngestError


class BenchError(SnapshotIngestError):
    """A run did not do what it was to do, so that it has no figure."""
