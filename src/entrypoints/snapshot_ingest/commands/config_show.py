"""`snapshot-ingest config show`: every setting and its value; a secret only says that it is set."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from snapshot_ingest.settings import Settings
from snapshot_ingest.settings.checks import value_of
from snapshot_ingest.settings.loading import ENV_PREFIX, option_paths
from snapshot_ingest.settings.values import is_secret


def config_show(settings: Settings) -> None:
    """Prints name, value and environment variable of each setting, a line each, never cut off."""
    rows = [("setting", "value", "environment"), *_rows(settings)]
    names, values, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    for name, value, variable in rows:
        print(f"{name:{names}}  {value:{values}}  {variable}")  # noqa: T201 - the command's output


def _rows(settings: Settings) -> Iterator[tuple[str, str, str]]:
    for path, kind in option_paths():
        value = value_of(settings, path)
        shown = _masked(value) if is_secret(kind) else _shown(value)
        yield path, shown, ENV_PREFIX + path.upper().replace(".", "_")


def _masked(value: object) -> str:
    return "-" if value is None else "(set)"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return str(value)
