"""A host's pool has no timeout for its commands; what we do with it ends in time all the same."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from snapshot_domain.errors import Unavailable
from snapshot_domain.model import Digest, SnapshotKey
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import PostgresHashRepository, host_pool
from support.messages import MORNING, device, tenant
from support.postgres import INGEST_PASSWORD, PostgresWorld, postgres_world

_KEY = SnapshotKey(device("r1"), tenant("acme"), MORNING, 1, Digest("a" * 64))


@pytest.fixture
async def world(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as world:
        yield world


@pytest.fixture
async def theirs(world: PostgresWorld) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """A pool as a host makes it, of one connection: whoever kept that would be noticed."""
    dsn = world.database.dsn_of(world.database.ingest_role)
    async with asyncpg.create_pool(dsn, password=INGEST_PASSWORD, min_size=0, max_size=1) as pool:
        yield pool


async def test_a_use_that_takes_too_long_is_given_up_and_the_next_one_works(
    world: PostgresWorld, theirs: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    repository = PostgresHashRepository(host_pool(theirs, use_seconds=0.3))
    async with world.admin.acquire(timeout=10) as connection, connection.transaction():
        await connection.execute("LOCK TABLE snapshot_ingest.heads")
        with pytest.raises(Unavailable):
            await asyncio.wait_for(repository.unchanged([_KEY]), timeout=10)
    assert list(await repository.unchanged([_KEY])) == [False]


async def test_a_pool_that_the_host_has_closed_is_unavailable(
    theirs: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    repository = PostgresHashRepository(host_pool(theirs))
    await theirs.close()
    with pytest.raises(Unavailable):
        await repository.unchanged([_KEY])


async def test_a_cancellation_is_passed_on(
    world: PostgresWorld, theirs: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    repository = PostgresHashRepository(host_pool(theirs))
    async with world.admin.acquire(timeout=10) as connection, connection.transaction():
        await connection.execute("LOCK TABLE snapshot_ingest.heads")
        asking = asyncio.ensure_future(repository.unchanged([_KEY]))
        await world.until_somebody_waits()
        asking.cancel()
        await asyncio.wait([asking], timeout=10)
        assert asking.cancelled()
