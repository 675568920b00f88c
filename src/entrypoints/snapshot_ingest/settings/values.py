"""What a setting's value may look like: stricter than typed-settings, which takes `true` for text.

Values from the environment and the command line are text; those from a TOML file have types.
"""

from datetime import timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin

import typed_settings as ts
from typed_settings.converters import PathConverter, TSConverter, to_timedelta

T = TypeVar("T")
TPath = TypeVar("TPath", bound=Path)

_EXPECTED = {
    bool: "true or false",
    int: "a whole number",
    str: "text that is not empty",
    Path: "a path",
    timedelta: "a duration such as 10m",
}

_SWITCHES = ("true", "false")


class StrictConverter(TSConverter):
    """Refuses what is only nearly meant. typed-settings quotes the value in what it then raises."""

    def __init__(self) -> None:
        super().__init__()
        self.scalar_converters.update(
            {
                bool: _switch,
                int: _whole_number,
                str: _text,
                Path: _StrictPaths(),
                timedelta: _duration,
            }
        )

    def structure(self, obj: Any, cl: type[T]) -> T:
        """The value as a `cl`; a value of an optional setting is as strict as any other."""
        kinds = [kind for kind in get_args(cl) if kind is not NoneType]
        is_optional = get_origin(cl) is UnionType and len(kinds) == 1
        kind: type[T] = kinds[0] if is_optional and obj is not None else cl
        return super().structure(obj, kind)


def is_secret(kind: Any) -> bool:
    """Whether a setting of this type must never be shown."""
    return any(get_origin(each) is ts.Secret for each in (kind, *get_args(kind)))


def expected_of(kind: Any) -> str:
    """What a setting of this type may be, in words."""
    for each in (kind, *get_args(kind)):
        if hasattr(each, "__members__"):
            return " or ".join(each)
        if each in _EXPECTED:
            return _EXPECTED[each]
    return _EXPECTED[str]


def _text(value: object, _: type) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _switch(value: object, _: type) -> bool:
    if isinstance(value, bool):
        return value
    if value in _SWITCHES:
        return value == "true"
    raise TypeError


def _whole_number(value: object, _: type) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError
    return int(value)


def _duration(value: object, cls: type[timedelta]) -> timedelta:
    if isinstance(value, timedelta):
        return value  # a default
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        raise TypeError
    return to_timedelta(value, cls)


class _StrictPaths(PathConverter):
    """Relative paths are relative to where the value comes from, which typed-settings says."""

    def __call__(self, value: object, cls: type[TPath]) -> TPath:
        return super().__call__(value if isinstance(value, Path) else _text(value, str), cls)
