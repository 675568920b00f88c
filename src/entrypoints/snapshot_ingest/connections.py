"""The connections that the settings ask for: NATS, PostgreSQL and OpenBao."""

import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

from typed_settings import Secret

from snapshot_domain.ports import AckFloors, Clock
from snapshot_ingest.settings import NatsSettings, OpenBaoSettings, PostgresSettings, Settings
from snapshot_ingest.settings.errors import SettingsError
from snapshot_ingest.settings.secret_values import secret_value
from snapshot_nats import ConnectionSettings, ConsumerNeeds, JetStreamSource, SourceSettings
from snapshot_openbao import (
    Address,
    AppRoleLogin,
    Credential,
    Login,
    OpenBao,
    SecretFile,
    SecretText,
    TokenLogin,
)
from snapshot_postgres import Connection, Pool, connected, open_pool

_SCHEMES = ("postgresql", "postgres")
_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d+)?", re.ASCII)


def nats_connection(settings: NatsSettings) -> ConnectionSettings:
    """Where NATS is, and who we are to it. Raises `SettingsError`."""
    password = secret_value("nats.password", settings.password, settings.password_file)
    if (settings.user is None) != (password is None):
        raise SettingsError("nats.user and nats.password go together", expected="both or neither")
    if settings.user is not None and settings.credentials_file is not None:
        raise SettingsError("nats has a user and a credentials_file", expected="one of them")
    return ConnectionSettings(
        servers=tuple(server.strip() for server in settings.url.split(",")),
        credentials_file=settings.credentials_file,
        user=settings.user,
        password=password,
        inbox_prefix=settings.inbox_prefix,
    )


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


async def postgres_pool(name: str, settings: PostgresSettings) -> Pool:
    """A pool of the section `name`, which connects on first use. Raises `SettingsError`."""
    dsn, password = _postgres_access(name, settings)
    return await open_pool(dsn, password=password, max_size=settings.pool_size)


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
    if not _is_dsn(dsn):
        raise SettingsError(
            f"{name}.dsn is no DSN",
            expected='one such as "postgresql://role@host/database"',
            next_step="percent-encode a password in it, or better use password_file",
        )
    return dsn, secret_value(f"{name}.password", settings.password, settings.password_file)


def _is_dsn(text: str) -> bool:
    """Whether the driver can read it: its own error would quote a raw password as a port."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    hosts = parts.netloc.rpartition("@")[2].split(",")
    return parts.scheme in _SCHEMES and all(map(_HOST.fullmatch, hosts))


def openbao(name: str, settings: OpenBaoSettings, root: Settings, clock: Clock) -> OpenBao:
    """A connection of the section `name`, which logs in on first use. Raises `SettingsError`.

    Another section than `[openbao]` shares that one's address unless it has its own.
    """
    url = settings.url or root.openbao.url
    if url is None:
        raise SettingsError("openbao.url is not set", expected='such as "https://host:8200"')
    address = Address(url, ca_file=settings.ca_file or root.openbao.ca_file)
    return OpenBao(address, _login(name, settings), clock, threads=settings.threads)


def _login(name: str, settings: OpenBaoSettings) -> Login:
    token = _credential(f"{name}.token", settings.token, settings.token_file)
    secret_id = _credential(f"{name}.secret_id", settings.secret_id, settings.secret_id_file)
    if token is not None:
        if settings.role_id is not None or secret_id is not None:
            raise SettingsError(f"{name} has a token and an AppRole", expected="one of them")
        return TokenLogin(token)
    if settings.role_id is None:
        raise SettingsError(
            f"{name} has no credentials", expected="role_id and secret_id_file, or token_file"
        )
    if secret_id is None:
        raise SettingsError(f"{name} has a role_id alone", expected="secret_id_file beside it")
    return AppRoleLogin(settings.role_id, secret_id)


def _credential(name: str, value: Secret[str] | None, file: Path | None) -> Credential | None:
    """A file is not read yet: it is read anew for each login."""
    if value is None and file is not None:
        return SecretFile(file)
    text = secret_value(name, value, file)
    return None if text is None else SecretText(text)
