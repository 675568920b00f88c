"""The SQL of this package, read from its .sql files: none stands in Python."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_NAME_MARK = "-- name: "


@cache
def script(file_name: str) -> str:
    """The whole text of a file in sql/."""
    return (files(__package__) / "sql" / file_name).read_text(encoding="utf-8")


@cache
def query(name: str, file_name: str = "queries.sql") -> str:
    """The statement with this name, without its comments. Raises KeyError if there is none."""
    return _statements(file_name)[name]


@cache
def _statements(file_name: str) -> Mapping[str, str]:
    """Every named statement of a file: from its `-- name:` line to the next."""
    lines: dict[str, list[str]] = {}
    name = ""
    for line in script(file_name).splitlines():
        if line.startswith(_NAME_MARK):
            name = line.removeprefix(_NAME_MARK).strip()
            lines[name] = []
        elif name and not line.lstrip().startswith("--"):
            lines[name].append(line)
    return {name: "\n".join(body).strip() for name, body in lines.items()}
