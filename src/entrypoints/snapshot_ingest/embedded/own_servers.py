"""`up` works on the servers that it starts, whatever the environment says of others."""

import os
from collections.abc import Sequence

from snapshot_ingest.settings import Settings
from snapshot_ingest.settings.checks import value_of
from snapshot_ingest.settings.errors import SettingsError
from snapshot_ingest.settings.loading import CONFIG_VARIABLE, load_settings, option_paths

_SERVERS = ("nats", "postgres", "openbao", "reader", "operator", "admin")
_HARMLESS = ("pool_size", "threads")


def refuse_other_servers(overrides: Sequence[str]) -> None:
    """Raises `SettingsError` for a wrong setting, and for one that leads to another server.

    In a shell that is set up for a real installation a demonstration would be published there.
    """
    environment = {name: value for name, value in os.environ.items() if name != CONFIG_VARIABLE}
    settings, defaults = load_settings(None, overrides, environment), Settings()
    for path, _ in option_paths():
        section, name = path.partition(".")[0], path.rpartition(".")[2]
        if section not in _SERVERS or name in _HARMLESS:
            continue
        if value_of(settings, path) != value_of(defaults, path):
            raise SettingsError(
                f"{path} is set, and `up` works on the servers that it starts itself",
                next_step="unset it, or use `run` for other servers",
            )
