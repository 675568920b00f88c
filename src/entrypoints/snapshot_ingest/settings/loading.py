"""Loading the settings from file, environment and command line, and refusing what is wrong."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import typed_settings as ts
from typed_settings.types import LoadedSettings, LoaderMeta, OptionList, SettingsClass

from snapshot_ingest.settings.checks import check
from snapshot_ingest.settings.errors import SettingsError
from snapshot_ingest.settings.file import values_of_file
from snapshot_ingest.settings.model import Settings
from snapshot_ingest.settings.values import StrictConverter, expected_of, is_secret

ENV_PREFIX = "SNAPSHOT_INGEST_"
CONFIG_VARIABLE = "SNAPSHOT_INGEST_CONFIG"

_NAMED_OPTION = re.compile(r"for option '([a-z0-9_.]+)' from loader")


@attrs.frozen
class _Source:
    """Values by dotted name, as a loader of typed-settings."""

    name: str
    values: Mapping[str, Any] = attrs.field(repr=False)
    base_dir: Path | None = None

    def __call__(self, settings_cls: SettingsClass, options: OptionList) -> LoadedSettings:  # noqa: ARG002 - the loader's protocol
        return LoadedSettings(_nested(self.values), LoaderMeta(self.name, self.base_dir))


def load_settings(
    config: Path | None = None,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """The settings from the file, the environment and `name=value` overrides, checked.

    Raises `SettingsError`, which names the setting and never shows its value.
    """
    environment = os.environ if environment is None else environment
    if config is None and environment.get(CONFIG_VARIABLE):
        config = Path(environment[CONFIG_VARIABLE])
    sources = [
        _Source("environment", _from_environment(environment)),
        _Source("command line", _from_overrides(overrides)),
    ]
    if config is not None:
        values = values_of_file(config, dict(option_paths()).keys())
        sources.insert(0, _Source("file", values, config.absolute().parent))
    settings = _load(sources)
    check(settings)
    return settings


def option_paths(cls: type = Settings) -> Iterator[tuple[str, type]]:
    """Every setting's dotted name and type."""
    for attribute in attrs.fields(attrs.resolve_types(cls)):
        if attrs.has(attribute.type):
            for path, kind in option_paths(attribute.type):
                yield f"{attribute.name}.{path}", kind
        else:
            yield attribute.name, attribute.type


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    known = {ENV_PREFIX + path.upper().replace(".", "_"): path for path, _ in option_paths()}
    found = {
        name: value
        for name, value in environment.items()
        if name.startswith(ENV_PREFIX) and name != CONFIG_VARIABLE
    }
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise SettingsError(
            f"the environment has unknown settings: {', '.join(map(repr, unknown))}",
            next_step="correct or unset them; `snapshot-ingest config show` lists all settings",
        )
    return {known[name]: value for name, value in found.items()}


def _from_overrides(overrides: Sequence[str]) -> dict[str, str]:
    known = dict(option_paths())
    values = {}
    for override in overrides:
        path, equals, value = override.partition("=")
        if not equals:
            raise SettingsError(
                "--set without a value", expected="--set NAME=VALUE, such as http.port=0"
            )
        if path not in known:
            raise SettingsError(
                f"there is no setting {path!r}",
                next_step="`snapshot-ingest config show` lists all settings",
            )
        if is_secret(known[path]):
            raise SettingsError(
                f"{path} is a secret, and the command line is for all to see",
                next_step="use its file or the environment",
            )
        values[path] = value
    return values


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in values.items():
        *sections, name = path.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return nested


def _load(sources: Sequence[_Source]) -> Settings:
    """typed-settings' errors quote the bad value, so they end here."""
    try:
        return ts.load_settings(Settings, sources, converter=StrictConverter())
    except ts.exceptions.InvalidSettingsError as error:
        names = sorted({name for each in error.exceptions for name in _named_in(str(each))})
    raise SettingsError(
        f"bad value for {', '.join(names) or 'a setting'}", expected=_expected(names)
    )


def _named_in(text: str) -> list[str]:
    known = dict(option_paths())
    return [name for name in _NAMED_OPTION.findall(text) if name in known]


def _expected(names: Sequence[str]) -> str:
    kinds = dict(option_paths())
    if len(names) == 1:
        return expected_of(kinds[names[0]])
    return ", ".join(f"{name}: {expected_of(kinds[name])}" for name in names)
