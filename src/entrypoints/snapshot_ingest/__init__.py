"""Where ports meet adapters: settings, composition, the command, HTTP, and the embedded servers.

To embed ingestion in another service: `lifespan` and `open`. Importing this package imports
nothing else until one of its names is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapshot_ingest.hosting.embedding import lifespan, open  # noqa: A004
    from snapshot_ingest.hosting.hosted import HandedIn, HostedIngestion, Ready
    from snapshot_ingest.settings import Settings, SettingsError, load_settings

__all__ = [
    "HandedIn",
    "HostedIngestion",
    "Ready",
    "Settings",
    "SettingsError",
    "lifespan",
    "load_settings",
    "open",
]

_HOMES = {
    "HandedIn": "snapshot_ingest.hosting.hosted",
    "HostedIngestion": "snapshot_ingest.hosting.hosted",
    "Ready": "snapshot_ingest.hosting.hosted",
    "Settings": "snapshot_ingest.settings",
    "SettingsError": "snapshot_ingest.settings",
    "lifespan": "snapshot_ingest.hosting.embedding",
    "load_settings": "snapshot_ingest.settings",
    "open": "snapshot_ingest.hosting.embedding",
}


def __getattr__(name: str) -> Any:
    """The public names, each imported when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
