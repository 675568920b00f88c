"""A secret in every setting that is one: no command and no error about a setting shows it."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from urllib.parse import quote

from snapshot_conformance.secret_canary_watch import SecretWatch, secret_canary
from snapshot_ingest.commands.config_show import config_show
from snapshot_ingest.settings.loading import ENV_PREFIX, load_settings, option_paths
from snapshot_ingest.settings.values import is_secret

__all__ = ["secret_canary"]

_SECRETS = [name for name, kind in option_paths() if is_secret(kind)]
_OTHERS = [name for name, kind in option_paths() if not is_secret(kind)]

_READING = [
    "snapshot_ingest.settings.loading:load_settings",
    "snapshot_ingest.settings.loading:_from_overrides",
    "snapshot_ingest.settings.file:values_of_file",
    "snapshot_ingest.settings.checks:check",
    "snapshot_ingest.settings.checks:_check_transport",
    "snapshot_ingest.settings.checks:_check_mounts",
    "snapshot_ingest.settings.checks:_check_events",
    "snapshot_ingest.settings.transport:nats_servers",
    "snapshot_ingest.settings.transport:openbao_url",
    "snapshot_ingest.settings.transport:postgres_dsn",
    "snapshot_ingest.settings.transport:_tls_parameters",
]
"""The frames that read and check what was given, and so have it at hand."""


def _variable(name: str) -> str:
    return ENV_PREFIX + name.upper().replace(".", "_")


def _everywhere(text: str) -> dict[str, str]:
    return {_variable(name): _given(name, text) for name in _SECRETS}


def _given(name: str, text: str) -> str:
    """The secret where it stands in such a setting."""
    if name.endswith(".dsn"):
        return f"postgresql://role:{quote(text, safe='')}@127.0.0.1/backend"
    return text


async def _proof_of(watch: SecretWatch) -> None:
    report = await watch.report()
    assert report.is_proof, str(report)


async def test_config_show_says_that_it_is_set_and_no_more(secret_canary: SecretWatch) -> None:
    config_show(load_settings(None, (), _everywhere(secret_canary.canary.text)))
    await _proof_of(secret_canary)


def _toml_lines(text: str) -> Iterator[str]:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for name in _SECRETS:
        yield f'{name} = "{escaped}"'
        yield f'{name} = ["{escaped}"]'
        yield f'{name} = {{ x = "{escaped}" }}'
        yield f'{name} = "{escaped}'
        yield f'{name}.x = "{escaped}"'


async def test_an_error_about_a_file_shows_none_of_its_values(
    secret_canary: SecretWatch, tmp_path: Path
) -> None:
    secret_canary.may_hold.extend(_READING)
    config = tmp_path / "snapshot-ingest.toml"
    rests = cycle(["nats.url = 7\n", "", "unknown = 1\n", "=\n"])
    for line, rest in zip(_toml_lines(secret_canary.canary.text), rests, strict=False):
        config.write_text(f"{line}\n{rest}", "utf-8")
        async with secret_canary.keeping_errors():
            load_settings(config, (), {})
    assert len(secret_canary.errors.errors) > len(_SECRETS) * 4
    await _proof_of(secret_canary)


async def test_an_error_about_another_setting_shows_none(secret_canary: SecretWatch) -> None:
    secret_canary.may_hold.extend(_READING)
    text = secret_canary.canary.text
    for name in _OTHERS:
        async with secret_canary.keeping_errors():
            load_settings(None, (), {**_everywhere(text), _variable(name): text})
        async with secret_canary.keeping_errors():
            load_settings(None, [f"{name}={text}"], {})
    for name in _SECRETS:
        async with secret_canary.keeping_errors():
            load_settings(None, [f"{name}={text}"], {})
    assert len(secret_canary.errors.errors) > len(_SECRETS)
    await _proof_of(secret_canary)
