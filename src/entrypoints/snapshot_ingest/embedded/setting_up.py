"""Making an embedded stack ready for ingestion: roles, tables, stream, consumer and keys."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import frozen

from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import events_stream
from snapshot_ingest.embedded.files import RoleAccess, write_private, write_settings
from snapshot_ingest.settings import EventsSettings, Settings
from snapshot_ingest.settings.loading import load_settings
from snapshot_ingest.stack import INBOX_PREFIX, AppRole, StackAddresses
from snapshot_nats import (
    ConnectionSettings,
    SafeClient,
    StreamShape,
    connect,
    ensure_consumer,
    ensure_events_stream,
    ensure_stream,
)
from snapshot_openbao import Address, AppRoleLogin, OpenBao, SecretFile, TransitKeys
from snapshot_postgres import (
    connected,
    grant_ingest_role,
    grant_operator_role,
    grant_reader_role,
    migrate,
)

STREAM_MAX_BYTES = 1024 * 1024 * 1024
"""Far more than the poller's stream has, so that a demonstration loses nothing to eviction."""

_PASSWORD_BYTES = 24


@frozen
class ReadyStack:
    """An embedded stack that ingestion can begin on."""

    addresses: StackAddresses
    ingest: RoleAccess
    settings_file: Path
    settings: Settings


async def set_up(
    directory: Path, addresses: StackAddresses, overrides: Sequence[str]
) -> ReadyStack:
    """Does what is not done yet, and writes the settings file; safe to repeat.

    Raises SnapshotIngestError's subclasses where a server refuses.
    """
    ingest = _role(directory, "snapshot_ingest_worker")
    reader = _role(directory, "snapshot_ingest_reader")
    operator = _role(directory, "snapshot_ingest_operator")
    await _set_up_postgres(addresses, ingest, reader, operator)
    await _set_up_nats(addresses)
    await _set_up_openbao(addresses)
    admin_password_file = directory / "secrets" / "postgres_admin.password"
    write_private(admin_password_file, _password_of(addresses.postgres_admin_dsn))
    settings_file = directory / "snapshot-ingest.toml"
    write_settings(settings_file, addresses, ingest, reader, operator, admin_password_file)
    settings = load_settings(settings_file, overrides)
    await _set_up_events(addresses, settings.events)
    return ReadyStack(addresses, ingest, settings_file, settings)


async def _set_up_postgres(
    addresses: StackAddresses, ingest: RoleAccess, reader: RoleAccess, operator: RoleAccess
) -> None:
    async with connected(addresses.postgres_admin_dsn) as connection:
        await migrate(connection, with_backend_tables=True)
        for access, grant in (
            (ingest, grant_ingest_role),
            (reader, grant_reader_role),
            (operator, grant_operator_role),
        ):
            await grant(connection, access.role, access.password_file.read_text("utf-8"))


async def _set_up_nats(addresses: StackAddresses) -> None:
    async with _provisioning(addresses) as client:
        shape = StreamShape(max_bytes=STREAM_MAX_BYTES)
        await ensure_stream(client, shape)
        await ensure_consumer(client, shape.name, Settings().nats.consumer)


async def _set_up_events(addresses: StackAddresses, settings: EventsSettings) -> None:
    shape = events_stream(settings)
    if shape is not None:
        async with _provisioning(addresses) as client:
            await ensure_events_stream(client, shape)


@asynccontextmanager
async def _provisioning(addresses: StackAddresses) -> AsyncIterator[SafeClient]:
    """NATS as the user that makes streams."""
    login = addresses.nats_provision
    client = await connect(
        ConnectionSettings(
            servers=(addresses.nats_server,),
            user=login.user,
            password=login.password_file.read_text("utf-8"),
            inbox_prefix=INBOX_PREFIX,
        )
    )
    try:
        yield client
    finally:
        await client.close()


async def _set_up_openbao(addresses: StackAddresses) -> None:
    async with administration(addresses.openbao_url, addresses.admin_approle) as openbao:
        await TransitKeys(openbao).ensure_own_keys()


def administration(url: str, role: AppRole) -> OpenBao:
    """OpenBao as the role that may make keys."""
    login = AppRoleLogin(role.role_id, SecretFile(role.secret_id_file))
    return OpenBao(Address(url), login, SystemClock())


def _role(directory: Path, name: str) -> RoleAccess:
    """The role with its password, which is made at the first start."""
    password_file = directory / "secrets" / f"{name}.password"
    if not password_file.exists():
        write_private(password_file, secrets.token_urlsafe(_PASSWORD_BYTES))
    return RoleAccess(name, password_file)


def _password_of(dsn: str) -> str:
    return dsn.partition("://")[2].rpartition("@")[0].partition(":")[2]
