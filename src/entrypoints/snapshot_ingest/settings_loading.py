"""Loading the settings from file, environment and command line, and refusing what is wrong."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args, get_origin

import attrs
import typed_settings as ts

from snapshot_ingest.settings import CipherFormat, Dedup, DigestKind, Settings
from snapshot_ingest.settings_errors import SettingsError

ENV_PREFIX = "SNAPSHOT_INGEST_"
CONFIG_VARIABLE = "SNAPSHOT_INGEST_CONFIG"

_NAMED_OPTION = re.compile(r"for option '([a-z0-9_.]+)' from loader")
_POSITIVE = (
    "postgres.pool_size",
    "reader.postgres.pool_size",
    "admin.postgres.pool_size",
    "openbao.threads",
    "worker.batch_messages",
    "worker.batch_bytes",
    "worker.batches_in_flight",
    "worker.max_in_flight_bytes",
)


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
    loaders: list[ts.loaders.Loader] = [
        ts.loaders.DictLoader(_nested(_from_environment(environment))),
        ts.loaders.DictLoader(_nested(_from_overrides(overrides))),
    ]
    if config is not None:
        loaders.insert(0, _file_loader(config))
    settings = _load(loaders)
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Raises `SettingsError` for a value that cannot be meant or is not built yet."""
    for path in _POSITIVE:
        if value_of(settings, path) < 1:
            raise SettingsError(f"{path} is not positive", expected="a whole number from 1 on")
    if not 0 <= settings.http.port <= 65535:
        raise SettingsError("http.port is no port", expected="0 (a free one) to 65535")
    if "@" in settings.nats.url:
        raise SettingsError(
            "nats.url holds credentials, and an address is for all to see",
            next_step="use nats.user and nats.password_file, or nats.credentials_file",
        )
    if settings.max_clock_ahead < timedelta(0):
        raise SettingsError("max_clock_ahead is negative", expected="a duration such as 10m")
    if settings.worker.grace < timedelta(0):
        raise SettingsError("worker.grace is negative", expected="a duration such as 20s")
    _refuse_what_is_not_built(settings)


def option_paths(cls: type = Settings) -> Iterator[tuple[str, type]]:
    """Every setting's dotted name and type."""
    for attribute in attrs.fields(attrs.resolve_types(cls)):
        if attrs.has(attribute.type):
            for path, kind in option_paths(attribute.type):
                yield f"{attribute.name}.{path}", kind
        else:
            yield attribute.name, attribute.type


def is_secret(kind: type) -> bool:
    """Whether a setting of this type must never be shown."""
    return any(get_origin(each) is ts.Secret for each in (kind, *get_args(kind)))


def _refuse_what_is_not_built(settings: Settings) -> None:
    not_built = {
        "cipher.format": settings.cipher.format is not CipherFormat.TRANSIT,
        "dedup": settings.dedup is not Dedup.POLLER,
        "digest": settings.digest is not DigestKind.PLAIN,
        "orphan_grace": settings.orphan_grace != timedelta(0),
    }
    for path, is_meant in not_built.items():
        if is_meant:
            raise SettingsError(
                f"this value of {path} is not built yet",
                expected=f"{path} = {_shown(value_of(Settings(), path))}",
            )


def _shown(value: object) -> str:
    return '"0s"' if isinstance(value, timedelta) else f'"{value}"'


def value_of(settings: Settings, path: str) -> Any:
    """The value of the setting with this dotted name."""
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _file_loader(config: Path) -> ts.FileLoader:
    if not config.is_file():
        raise SettingsError(f"there is no configuration file {config}")
    return ts.FileLoader(formats={"*": ts.TomlFormat(section=None)}, files=[config], env_var=None)


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
            f"the environment has unknown settings: {', '.join(unknown)}",
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


def _nested(values: Mapping[str, str]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in values.items():
        *sections, name = path.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return nested


def _load(loaders: Sequence[Any]) -> Settings:
    """typed-settings' errors quote the bad value, so they end here."""
    try:
        return ts.load_settings(Settings, loaders)
    except ts.exceptions.InvalidSettingsError as error:
        names = sorted({name for each in error.exceptions for name in _named_in(str(each))})
        what, expected = f"bad value for {', '.join(names) or 'a setting'}", _expected(names)
    except ts.exceptions.InvalidOptionsError as error:
        what, expected = str(error), "the settings that `snapshot-ingest config show` lists"
    except ts.exceptions.ConfigFileLoadError as error:
        what, expected = f"the configuration file is no TOML: {error}", "TOML"
    except (OSError, UnicodeDecodeError) as error:
        what, expected = f"the configuration file is unreadable: {type(error).__name__}", "TOML"
    raise SettingsError(what, expected=expected)


def _named_in(text: str) -> list[str]:
    known = {path for path, _ in option_paths()}
    return [name for name in _NAMED_OPTION.findall(text) if name in known]


def _expected(names: Sequence[str]) -> str:
    kinds = dict(option_paths())
    return ", ".join(f"{name}: {_described(kinds[name])}" for name in names)


def _described(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, timedelta):
        return "a duration such as 10m"
    if hasattr(kind, "__members__"):
        return " or ".join(kind)
    return getattr(kind, "__name__", "text")
