"""What is wrong with a setting, without ever showing its value."""

from snapshot_domain.errors import SnapshotIngestError


class SettingsError(SnapshotIngestError):
    """A setting is missing, unknown, unreadable, or not built yet."""
