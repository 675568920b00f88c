"""The settings: what there is to choose, where the values come from, and what is refused.

model.py names them and their defaults; loading.py reads file, environment and command line.
"""

from snapshot_ingest.settings.errors import SettingsError
from snapshot_ingest.settings.loading import load_settings
from snapshot_ingest.settings.model import (
    AdminSettings,
    CipherFormat,
    CipherSettings,
    Dedup,
    DigestKind,
    EventsSettings,
    HttpSettings,
    NatsLoginSettings,
    NatsSettings,
    OpenBaoSettings,
    OperatorSettings,
    PostgresSettings,
    ReaderSettings,
    Settings,
    WorkerSettings,
)

__all__ = [
    "AdminSettings",
    "CipherFormat",
    "CipherSettings",
    "Dedup",
    "DigestKind",
    "EventsSettings",
    "HttpSettings",
    "NatsLoginSettings",
    "NatsSettings",
    "OpenBaoSettings",
    "OperatorSettings",
    "PostgresSettings",
    "ReaderSettings",
    "Settings",
    "SettingsError",
    "WorkerSettings",
    "load_settings",
]
