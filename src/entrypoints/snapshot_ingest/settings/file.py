"""Reading the configuration file, with errors that say where it is wrong and never what it says."""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from snapshot_ingest.settings.errors import SettingsError

_PLACE = re.compile(r"\(at (line \d+, column \d+|end of document)\)")


def values_of_file(config: Path, known: Collection[str]) -> dict[str, Any]:
    """The file's values by the settings' dotted names.

    Raises `SettingsError` for a file that cannot be read, and for a name that is not known.
    """
    values = dict(_flattened(_read(config), _sections_of(known), ""))
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise SettingsError(
            f"{config} has unknown settings: {', '.join(map(repr, unknown))}",
            next_step="correct or remove them; `snapshot-ingest config show` lists all settings",
        )
    return values


def _read(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        problem = "there is none"
    except OSError as error:
        problem = f"it cannot be read ({type(error).__name__})"
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8 (at byte {error.start})"
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        problem = f"it is no TOML (at {place[1] if place else 'an unknown place'})"
    except (ValueError, RecursionError):
        problem = "it is no TOML (a number too long, or too many brackets)"
    raise SettingsError(f"configuration file {config}: {problem}", expected="a TOML file")


def _sections_of(known: Collection[str]) -> frozenset[str]:
    return frozenset(
        name.rsplit(".", dots)[0] for name in known for dots in range(1, name.count(".") + 1)
    )


def _flattened(
    document: Mapping[str, Any], sections: Collection[str], prefix: str
) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        name = prefix + key
        if name not in sections:
            yield name, value
        elif isinstance(value, dict):
            yield from _flattened(value, sections, f"{name}.")
        else:
            raise SettingsError(f"{name} is a section", expected=f"[{name}] and settings below it")
