"""What typed values cannot say: refusing settings that cannot be meant or are not built yet."""

import re
from datetime import timedelta
from typing import Any

from snapshot_ingest.settings.errors import SettingsError
from snapshot_ingest.settings.model import (
    Dedup,
    OpenBaoSettings,
    PostgresSettings,
    Settings,
)
from snapshot_ingest.settings.subjects import overlap
from snapshot_ingest.settings.transport import nats_servers, openbao_url, postgres_dsn

_POSITIVE = (
    "postgres.pool_size",
    "reader.postgres.pool_size",
    "operator.postgres.pool_size",
    "admin.postgres.pool_size",
    "openbao.threads",
    "reader.openbao.threads",
    "operator.openbao.threads",
    "admin.openbao.threads",
    "worker.batch_messages",
    "worker.batch_bytes",
    "worker.batches_in_flight",
    "worker.max_in_flight_bytes",
    "cipher.data_key_uses",
    "events.max_bytes",
)
_ADDRESSES = (
    "nats.url",
    "openbao.url",
    "reader.openbao.url",
    "operator.openbao.url",
    "admin.openbao.url",
)
_POSTGRES = ("postgres", "reader.postgres", "operator.postgres", "admin.postgres")
_OPENBAO = ("openbao", "reader.openbao", "operator.openbao", "admin.openbao")
_DURATIONS = ("orphan_grace", "max_clock_ahead", "worker.grace")
EVENTS_SUBJECTS = "snapshot_ingest.stored.>"
_STREAM = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_PORTS = range(65536)
_SUBJECT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.ASCII)


def check(settings: Settings) -> None:
    """Raises `SettingsError` for a value that cannot be meant or is not built yet.

    It names the setting and never shows its value.
    """
    for path in _POSITIVE:
        if value_of(settings, path) < 1:
            raise SettingsError(f"{path} is not positive", expected="a whole number from 1 on")
    if settings.cipher.data_key_lifetime <= timedelta(0):
        raise SettingsError(
            "cipher.data_key_lifetime is not positive", expected="a duration such as 15m"
        )
    for path in _DURATIONS:
        if value_of(settings, path) < timedelta(0):
            raise SettingsError(f"{path} is negative", expected="a duration such as 10m")
    for path in _ADDRESSES:
        if "@" in (value_of(settings, path) or ""):
            raise SettingsError(
                f"{path} holds credentials, and an address is for all to see",
                next_step="set them by their own names, best in a file",
            )
    _check_transport(settings)
    _check_mounts(settings)
    if settings.http.port not in _PORTS:
        raise SettingsError("http.port is no port", expected="0 (a free one) to 65535")
    if not _SUBJECT.fullmatch(settings.nats.inbox_prefix):
        raise SettingsError(
            "nats.inbox_prefix is no subject",
            expected="letters, digits, _, - and dots between",
        )
    _check_events(settings)
    _refuse_what_is_not_built(settings)


def _check_events(settings: Settings) -> None:
    """Nothing of ours may come back to us."""
    if not _STREAM.fullmatch(settings.events.stream):
        raise SettingsError(
            "events.stream is no name of a stream", expected="letters, digits, _ and -"
        )
    if settings.events.max_age <= timedelta(0):
        raise SettingsError("events.max_age is not positive", expected="a duration such as 7d")
    if not settings.events.enabled:
        return
    if settings.events.stream == settings.nats.stream:
        raise SettingsError(
            "events.stream is the stream that is consumed", expected="a stream of its own"
        )
    if overlap(settings.nats.subject, EVENTS_SUBJECTS):
        raise SettingsError(
            "nats.subject takes our own events too",
            expected=f"one that matches nothing of {EVENTS_SUBJECTS}",
        )


def _check_transport(settings: Settings) -> None:
    nats_servers(settings.nats)
    for name in _POSTGRES:
        postgres: PostgresSettings = value_of(settings, name)
        if postgres.dsn is not None:
            postgres_dsn(name, postgres.dsn.get_secret_value(), postgres)
    for name in _OPENBAO:
        openbao: OpenBaoSettings = value_of(settings, name)
        if openbao.url is not None:
            openbao_url(name, openbao.url, insecure=openbao.insecure)


def _check_mounts(settings: Settings) -> None:
    """Every section works with the keys of the one mount that `[openbao]` names."""
    for name in _OPENBAO:
        openbao: OpenBaoSettings = value_of(settings, name)
        if openbao.mount not in (settings.openbao.mount, OpenBaoSettings().mount):
            raise SettingsError(
                f"{name}.mount is not that of openbao.mount, and would be ignored",
                expected="one mount of Transit for all sections",
                next_step="set openbao.mount alone",
            )


def value_of(settings: Settings, path: str) -> Any:
    """The value of the setting with this dotted name."""
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _refuse_what_is_not_built(settings: Settings) -> None:
    if settings.dedup is not Dedup.POLLER:
        raise SettingsError(
            "this value of dedup is not built yet", expected=f'dedup = "{Dedup.POLLER}"'
        )
