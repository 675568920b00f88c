"""The one error of the embedded stack."""

from snapshot_domain.errors import SnapshotIngestError


class StackError(SnapshotIngestError):
    """The embedded servers cannot start or run. Its text is one line and holds no secret."""
