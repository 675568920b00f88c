"""The connections that the settings ask for: NATS, PostgreSQL and OpenBao."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from attrs import asdict, evolve

from snapshot_domain.ports import AckFloors, Clock
from snapshot_ingest.openbao_login import openbao_login
from snapshot_ingest.settings import (
    DigestKind,
    EventsSettings,
    NatsSettings,
    OpenBaoSettings,
    PostgresSettings,
    Settings,
)
from snapshot_ingest.settings.errors import SettingsError
from snapshot_ingest.settings.secret_values import secret_value
from snapshot_ingest.settings.transport import nats_servers, openbao_url, postgres_dsn
from snapshot_nats import (
    ConnectionSettings,
    ConsumerNeeds,
    EventPublisher,
    EventsStreamShape,
    JetStreamSource,
    SourceSettings,
    TlsFiles,
)
from snapshot_openbao import Address, OpenBao
from snapshot_postgres import Connection, Pool, connected, open_pool


def admin_nats_connection(settings: Settings) -> ConnectionSettings:
    """The same NATS as `[admin.nats]`, or as `[nats]` where that has no login.

    Raises `SettingsError`.
    """
    login = asdict(settings.admin.nats, recurse=False)
    if all(value is None for value in login.values()):
        return nats_connection(settings.nats)
    return nats_connection(evolve(settings.nats, **login), login="admin.nats")


def nats_connection(settings: NatsSettings, *, login: str = "nats") -> ConnectionSettings:
    """Where NATS is, and who we are to it by the section `login`. Raises `SettingsError`."""
    password = secret_value(f"{login}.password", settings.password, settings.password_file)
    token = secret_value(f"{login}.token", settings.token, settings.token_file)
    if (settings.user is None) != (password is None):
        raise SettingsError(
            f"{login}.user and {login}.password go together", expected="both or neither"
        )
    _check_one_way_in(login, settings, has_token=token is not None)
    if (settings.cert_file is None) != (settings.key_file is None):
        raise SettingsError(
            "nats.cert_file and nats.key_file go together", expected="both or neither"
        )
    return ConnectionSettings(
        servers=nats_servers(settings),
        credentials_file=settings.credentials_file,
        nkey_seed_file=settings.nkey_seed_file,
        user=settings.user,
        password=password,
        inbox_prefix=settings.inbox_prefix,
        token=token,
        tls_files=TlsFiles.of(settings.ca_file, settings.cert_file, settings.key_file),
        clear_beyond_configured=settings.insecure,
    )


def _check_one_way_in(login: str, settings: NatsSettings, *, has_token: bool) -> None:
    ways = {
        "user": settings.user is not None,
        "token": has_token,
        "nkey_seed_file": settings.nkey_seed_file is not None,
        "credentials_file": settings.credentials_file is not None,
    }
    meant = [way for way, is_set in ways.items() if is_set]
    if len(meant) > 1:
        raise SettingsError(f"{login} has a {' and a '.join(meant)}", expected="one of them")


def message_source(settings: NatsSettings, floors: AckFloors | None = None) -> JetStreamSource:
    """The source, which connects on first use. Raises `SettingsError`.

    With `floors`, and unless the settings forbid it, it makes a deleted consumer again.
    """
    needs = ConsumerNeeds(filter_subject=settings.subject)
    return JetStreamSource(
        nats_connection(settings),
        SourceSettings(stream=settings.stream, durable=settings.consumer, needs=needs),
        floors if settings.recreate_consumer else None,
    )


def event_publisher(settings: Settings) -> EventPublisher | None:
    """What publishes events, which connects on first use; None where they are off.

    Raises `SettingsError`.
    """
    if not settings.events.enabled:
        return None
    return EventPublisher(
        nats_connection(settings.nats),
        settings.events.stream,
        plain_digests=settings.digest is DigestKind.PLAIN,
    )


def events_stream(settings: EventsSettings) -> EventsStreamShape | None:
    """The stream of events; None where they are off."""
    if not settings.enabled:
        return None
    return EventsStreamShape(
        name=settings.stream, max_age=settings.max_age, max_bytes=settings.max_bytes
    )


@asynccontextmanager
async def postgres_pool(
    name: str, settings: PostgresSettings, *, command_seconds: float = 30.0
) -> AsyncIterator[Pool]:
    """A pool of the section `name`, which connects on first use, and ends with the block.

    Raises `SettingsError`.
    """
    dsn, password = _postgres_access(name, settings)
    pool = await open_pool(
        dsn,
        password=password,
        max_size=settings.pool_size,
        command_timeout_seconds=command_seconds,
    )
    try:
        yield pool
    finally:
        pool.terminate()


def admin_connection(settings: PostgresSettings) -> AbstractAsyncContextManager[Connection]:
    """One connection as `[admin.postgres]`. Raises `SettingsError`."""
    dsn, password = _postgres_access("admin.postgres", settings)
    return connected(dsn, password=password)


def _postgres_access(name: str, settings: PostgresSettings) -> tuple[str, str | None]:
    dsn = secret_value(f"{name}.dsn", settings.dsn, None)
    if dsn is None:
        raise SettingsError(
            f"{name}.dsn is not set", expected='a DSN such as "postgresql://role@host/database"'
        )
    for setting in ("ca_file", "cert_file", "key_file"):
        _look_at(f"{name}.{setting}", getattr(settings, setting))
    password = secret_value(f"{name}.password", settings.password, settings.password_file)
    return postgres_dsn(name, dsn, settings), password


def _look_at(setting: str, file: Path | None) -> None:
    """The driver's error for such a file is like that for a server that is away."""
    if file is not None and not os.access(file, os.R_OK):
        raise SettingsError(
            f"{setting} {file} cannot be read",
            expected="a PEM file",
            next_step="see the path, and its mode",
        )


def openbao(name: str, settings: OpenBaoSettings, root: Settings, clock: Clock) -> OpenBao:
    """A connection of the section `name`, which logs in on first use. Raises `SettingsError`.

    Another section than `[openbao]` shares that one's address unless it has its own.
    """
    address = Address(
        _openbao_url(name, settings, root), ca_file=settings.ca_file or root.openbao.ca_file
    )
    return OpenBao(address, openbao_login(name, settings), clock, threads=settings.threads)


def _openbao_url(name: str, settings: OpenBaoSettings, root: Settings) -> str:
    if settings.url is not None:
        return openbao_url(name, settings.url, insecure=settings.insecure)
    if root.openbao.url is None:
        raise SettingsError("openbao.url is not set", expected='such as "https://host:8200"')
    return openbao_url("openbao", root.openbao.url, insecure=root.openbao.insecure)
