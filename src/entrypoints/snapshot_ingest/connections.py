"""The connections that the settings ask for: NATS, PostgreSQL and OpenBao."""

from contextlib import AbstractAsyncContextManager

from snapshot_domain.ports import AckFloors, Clock
from snapshot_ingest.secret_values import secret_value
from snapshot_ingest.settings import NatsSettings, OpenBaoSettings, PostgresSettings, Settings
from snapshot_ingest.settings_errors import SettingsError
from snapshot_nats import ConnectionSettings, ConsumerNeeds, JetStreamSource, SourceSettings
from snapshot_openbao import (
    Address,
    AppRoleLogin,
    Login,
    OpenBao,
    SecretFile,
    SecretText,
    TokenLogin,
)
from snapshot_postgres import Connection, Pool, connected, open_pool


def nats_connection(settings: NatsSettings) -> ConnectionSettings:
    """Where NATS is, and who we are to it."""
    return ConnectionSettings(
        servers=tuple(settings.url.split(",")),
        credentials_file=settings.credentials_file,
        user=settings.user,
        password=secret_value("nats.password", settings.password, settings.password_file),
    )


def message_source(settings: NatsSettings, floors: AckFloors | None = None) -> JetStreamSource:
    """The source, which connects on first use.

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
    return dsn, secret_value(f"{name}.password", settings.password, settings.password_file)


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
    token = settings.token or settings.token_file
    if token is not None and settings.role_id is not None:
        raise SettingsError(f"{name} has a token and a role_id", expected="one of them")
    if settings.token_file is not None:
        return TokenLogin(SecretFile(settings.token_file))
    if settings.token is not None:
        return TokenLogin(SecretText(settings.token.get_secret_value()))
    if settings.role_id is None:
        raise SettingsError(
            f"{name} has no credentials", expected="role_id and secret_id_file, or token_file"
        )
    if settings.secret_id_file is not None:
        return AppRoleLogin(settings.role_id, SecretFile(settings.secret_id_file))
    if settings.secret_id is not None:
        secret_id = SecretText(settings.secret_id.get_secret_value())
        return AppRoleLogin(settings.role_id, secret_id)
    raise SettingsError(f"{name} has a role_id alone", expected="secret_id_file beside it")
