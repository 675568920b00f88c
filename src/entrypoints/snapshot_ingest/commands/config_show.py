"""`snapshot-ingest config show`: every setting and its value; a secret only says that it is set."""

from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

from snapshot_ingest.settings import Settings
from snapshot_ingest.settings_loading import ENV_PREFIX, is_secret, option_paths, value_of


def config_show(settings: Settings) -> None:
    """Prints name, value and environment variable of each setting."""
    table = Table("setting", "value", "environment", box=None)
    for path, kind in option_paths():
        value = value_of(settings, path)
        table.add_row(
            path,
            _masked(value) if is_secret(kind) else _shown(value),
            ENV_PREFIX + path.upper().replace(".", "_"),
        )
    Console(soft_wrap=True).print(table)


def _masked(value: object) -> str:
    return "-" if value is None else "(set)"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return str(value)
