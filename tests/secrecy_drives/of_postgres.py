"""A secret through every error class of asyncpg, at each place where the adapter meets one."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NoReturn, cast
from unittest.mock import patch
from uuid import uuid4

import asyncpg
from attrs import define, field

from secrecy_drives.driver_errors import every_error, loaded
from snapshot_conformance.secret_canary_watch import SecretWatch
from snapshot_domain.delivery import Origin
from snapshot_domain.model import (
    Ciphertext,
    DeviceId,
    Digest,
    DigestKeyId,
    EncryptedSnapshot,
    SnapshotId,
    SnapshotKey,
    TenantId,
    WrappedDigestKey,
)
from snapshot_domain.ports import DigestRecord, DigestSwap, QuarantinedMessage, QuarantineReason
from snapshot_domain.rewriting import FIRST
from snapshot_postgres import (
    PostgresDeviceDirectory,
    PostgresDigestKeys,
    PostgresDigestRecords,
    PostgresHashRepository,
    PostgresQuarantine,
    connected,
    grant_ingest_role,
    look_at_installation,
    migrate,
    open_pool,
)
from snapshot_postgres.pool import Connection, Pool

_NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
_DSN = "postgresql://role@127.0.0.1:9/db"
_ONE_OF_EACH_KIND = (
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.CheckViolationError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.DataError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.InterfaceError,
    TimeoutError,
)
"""What the adapter tells apart."""

_SEALED = Ciphertext("vault:v1:AAAA")
_WRAPPED = WrappedDigestKey(DigestKeyId(uuid4()), _SEALED.text)


@define(repr=False)
class _BrokenConnection:
    """asyncpg's connection, which fails at the statements that hold `fails_at`."""

    error: BaseException | None
    fails_at: str = ""
    answers_before: int = 0
    reached: asyncio.Event = field(factory=asyncio.Event)
    is_ours: bool = True

    async def fetch(self, statement: str, *_: object, **__: object) -> list[object]:
        if self.fails_at in statement and self.answers_before == 0:
            self.reached.set()
            await self._fail()
        self.answers_before = max(0, self.answers_before - 1)
        return []

    fetchrow = fetchval = execute = fetch

    async def _fail(self) -> NoReturn:
        if self.error is None:
            await asyncio.Event().wait()
        raise cast("BaseException", self.error)

    @asynccontextmanager
    async def transaction(self, **_: object) -> AsyncIterator[None]:
        yield

    def terminate(self) -> None:
        """A cancelled statement ends its connection."""

    def get_server_pid(self) -> int:
        """The session, by what the connection was told."""
        return 7


@define(repr=False)
class _BrokenPool:
    """asyncpg's pool, which gives out one connection, or fails to."""

    connection: _BrokenConnection
    acquires: bool = True

    @asynccontextmanager
    async def acquire(self, **_: object) -> AsyncIterator[_BrokenConnection]:
        if not self.acquires:
            await self.connection._fail()
        yield self.connection


def _errors(text: str) -> Iterator[BaseException]:
    yield from every_error(text, asyncpg.PostgresError, of="asyncpg")
    yield from every_error(text, asyncpg.InterfaceError, of="asyncpg")
    yield from every_error(text, asyncpg.InternalClientError, of="asyncpg")
    yield from every_error(text, OSError, of="builtins")
    yield loaded(ssl.SSLCertVerificationError, text)
    yield loaded(ssl.SSLError, text)


@patch("snapshot_postgres.database._FIRST_PAUSE_SECONDS", 0.0)
async def driver_errors(watch: SecretWatch) -> None:
    """Every class at one statement; one of each kind at every call and at every place."""
    for error in _errors(watch.canary.text):
        repository = PostgresHashRepository(_pool(_BrokenConnection(error)))
        async with watch.keeping_errors():
            await repository.unchanged([_snapshot().key])
        for place in ("", "store_batch", "lock") if type(error) in _ONE_OF_EACH_KIND else ():
            await _everything(watch, _BrokenPool(_BrokenConnection(error, place)))
            await _everything(watch, _BrokenPool(_BrokenConnection(error), acquires=False))


async def connecting(watch: SecretWatch) -> None:
    """Every class while a connection is made, a pool is filled, or the schema comes or goes."""
    password = watch.canary.text
    for error in _errors(password):
        connection = cast("Connection", _BrokenConnection(error))
        with (
            patch("asyncpg.connect", _failing(error)),
            patch("asyncpg.create_pool", _failing(error)),
        ):
            async with watch.keeping_errors():
                await open_pool(_DSN, password=password)
            async with watch.keeping_errors(), connected(_DSN, password=password):
                pass
        with patch("asyncpg.connect", _giving(connection)):
            async with watch.keeping_errors(), connected(_DSN, password=password):
                pass
        async with watch.keeping_errors():
            await migrate(connection)
        async with watch.keeping_errors():
            await look_at_installation(connection)
        async with watch.keeping_errors():
            await grant_ingest_role(connection, "role", f"p-{password.partition('§')[0]}")


async def codecs_of_a_host(watch: SecretWatch) -> None:
    """Whatever a host's codec raises at a value that it does not take."""
    for kind in (asyncpg.DataError, ValueError, TypeError, AttributeError):
        error = loaded(kind, watch.canary.text)
        connection = _BrokenConnection(error, fails_at="$1::uuid, $2::uuid[]", is_ours=False)
        async with watch.keeping_errors():
            await PostgresHashRepository(_pool(connection)).unchanged([_snapshot().key])


async def cancellations(watch: SecretWatch) -> None:
    """A cancellation while the server does not answer, at each statement of each call."""
    for number in range(len(_calls(_BrokenPool(_BrokenConnection(None))))):
        statement = 0
        while await _cancelled_at(statement, number, watch):
            statement += 1
        assert statement


async def _cancelled_at(statement: int, number: int, watch: SecretWatch) -> bool:
    """Cancels the call at that statement; whether it has so many."""
    connection = _BrokenConnection(None, answers_before=statement)
    running = asyncio.ensure_future(_calls(_BrokenPool(connection))[number]())
    reached = asyncio.ensure_future(connection.reached.wait())
    await asyncio.wait({running, reached}, return_when=asyncio.FIRST_COMPLETED)
    was_reached = connection.reached.is_set()
    running.cancel()
    reached.cancel()
    async with watch.keeping_errors():
        await running
    return was_reached


def _pool(connection: _BrokenConnection) -> Pool:
    return cast("Pool", _BrokenPool(connection))


async def _everything(watch: SecretWatch, pool: _BrokenPool) -> None:
    for call in _calls(pool):
        async with watch.keeping_errors():
            await call()


def _calls(broken: _BrokenPool) -> Sequence[Callable[[], Coroutine[object, object, object]]]:
    pool = cast("Pool", broken)
    repository, quarantine = PostgresHashRepository(pool), PostgresQuarantine(pool)
    records = PostgresDigestRecords(pool)
    snapshot = _snapshot()
    return [
        lambda: _awaited(repository.unchanged([snapshot.key])),
        lambda: _awaited(repository.store([snapshot, _snapshot()])),
        lambda: _awaited(repository.check()),
        lambda: _awaited(PostgresDeviceDirectory(pool).owners({snapshot.key.device_id})),
        lambda: _awaited(quarantine.keep([_message()])),
        lambda: _awaited(quarantine.check()),
        lambda: _awaited(PostgresDigestKeys(pool).keep(_WRAPPED)),
        lambda: _awaited(records.plain(snapshot.key.tenant_id, FIRST, 1)),
        lambda: _awaited(records.swap(_WRAPPED.key_id, [_digest_swap(snapshot)])),
    ]


async def _awaited(call: Awaitable[object]) -> object:
    return await call


def _failing(error: BaseException) -> Callable[..., Awaitable[NoReturn]]:
    async def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def _giving(connection: Connection) -> Callable[..., Awaitable[Connection]]:
    async def give(*_: object, **__: object) -> Connection:
        return connection

    return give


def _digest_swap(snapshot: EncryptedSnapshot) -> DigestSwap:
    key = snapshot.key
    record = DigestRecord(SnapshotId(uuid4()), key.device_id, key.tenant_id, key.digest, _SEALED)
    return DigestSwap(record, Digest("b" * 64), _SEALED)


def _snapshot() -> EncryptedSnapshot:
    key = SnapshotKey(DeviceId(uuid4()), TenantId(uuid4()), _NOON, 1, Digest("a" * 64))
    return EncryptedSnapshot(key, _SEALED, 7)


def _message() -> QuarantinedMessage:
    return QuarantinedMessage(
        origin=Origin("s", _NOON, 1),
        subject="config.snapshot.create.x",
        received_at=_NOON,
        reason=QuarantineReason.MALFORMED,
        detail="not_json",
        waiting=False,
        device_id=None,
        tenant_id=None,
        size_bytes=7,
        ciphertext=_SEALED,
    )
