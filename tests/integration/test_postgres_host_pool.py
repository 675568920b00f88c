"""A host's pool is as the host made it: what we do with it ends in time, or is refused clearly."""

import asyncio
import json
import operator
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import asyncpg
import pytest

from snapshot_domain.errors import Dependency, Misconfigured, Unavailable
from snapshot_domain.model import Digest, SnapshotKey
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import PostgresDeviceDirectory, PostgresHashRepository, host_pool
from snapshot_postgres import database as database_module
from snapshot_postgres.database import Database
from support.messages import MORNING, device, tenant
from support.postgres import INGEST_PASSWORD, PostgresWorld, postgres_world

Theirs: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Init = Callable[[Connection], Coroutine[Any, Any, None]]

_KEY = SnapshotKey(device("r1"), tenant("acme"), MORNING, 1, Digest("a" * 64))


@pytest.fixture
async def world(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as world:
        yield world


@pytest.fixture
async def theirs(world: PostgresWorld) -> AsyncIterator[Theirs]:
    async with _opened(world) as pool:
        yield pool


def _opened(world: PostgresWorld, init: Init | None = None) -> AbstractAsyncContextManager[Theirs]:
    """A pool as a host makes it, of one connection: whoever kept that would be noticed."""
    dsn = world.database.dsn_of(world.database.ingest_role)
    return asyncpg.create_pool(dsn, password=INGEST_PASSWORD, min_size=0, max_size=1, init=init)


async def test_a_use_that_takes_too_long_is_given_up_and_the_next_one_works(
    world: PostgresWorld, theirs: Theirs
) -> None:
    repository = PostgresHashRepository(host_pool(theirs, use_seconds=0.3))
    async with world.admin.acquire(timeout=10) as connection, connection.transaction():
        await connection.execute("LOCK TABLE snapshot_ingest.heads")
        with pytest.raises(Unavailable):
            await asyncio.wait_for(repository.unchanged([_KEY]), timeout=10)
    assert list(await repository.unchanged([_KEY])) == [False]


async def test_a_pool_that_the_host_has_closed_is_unavailable(
    theirs: Theirs,
) -> None:
    repository = PostgresHashRepository(host_pool(theirs))
    await theirs.close()
    with pytest.raises(Unavailable):
        await repository.unchanged([_KEY])


async def test_a_cancellation_is_passed_on(world: PostgresWorld, theirs: Theirs) -> None:
    repository = PostgresHashRepository(host_pool(theirs))
    async with world.admin.acquire(timeout=10) as connection, connection.transaction():
        await connection.execute("LOCK TABLE snapshot_ingest.heads")
        asking = asyncio.ensure_future(repository.unchanged([_KEY]))
        await world.until_somebody_waits()
        asking.cancel()
        await asyncio.wait([asking], timeout=10)
        assert asking.cancelled()


async def _uuids_as_text(connection: Connection) -> None:
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str)


async def _bytes_as_hex(connection: Connection) -> None:
    await connection.set_type_codec("bytea", schema="pg_catalog", encoder=bytes.hex, decoder=str)


async def _numbers_as_floats(connection: Connection) -> None:
    await connection.set_type_codec("int8", schema="pg_catalog", encoder=str, decoder=float)


async def _text_of_another_class(connection: Connection) -> None:
    await connection.set_type_codec(
        "text", schema="pg_catalog", encoder=operator.attrgetter("html"), decoder=str
    )


async def _json_as_objects(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
    )


@pytest.mark.parametrize(
    "init", [_uuids_as_text, _bytes_as_hex, _numbers_as_floats, _text_of_another_class]
)
async def test_a_pool_that_gives_types_another_form_is_refused_before_it_answers(
    world: PostgresWorld, init: Init
) -> None:
    async with _opened(world, init) as pool:
        with pytest.raises(Misconfigured, match="types other forms; expected those of asyncpg"):
            await PostgresDeviceDirectory(host_pool(pool)).owners({device("r1")})


async def test_a_codec_for_a_type_that_we_do_not_use_is_the_hosts_own_affair(
    world: PostgresWorld,
) -> None:
    async with _opened(world, _json_as_objects) as pool:
        repository = PostgresHashRepository(host_pool(pool))
        assert list(await repository.unchanged([_KEY])) == [False]


async def test_of_the_sessions_that_were_looked_at_it_remembers_so_many_and_no_more(
    theirs: Theirs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_SESSIONS_REMEMBERED", 2)
    database = Database(host_pool(theirs), Dependency.REPOSITORY)
    for _ in range(5):
        await database.ask("SELECT")
        await theirs.expire_connections()
        assert len(database._looked_at) <= 2
