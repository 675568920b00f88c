"""Which transactions are at work on the backend's table, as an ordinary role sees them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from snapshot_domain.model import DeviceId, TenantId
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import PostgresTransactions, Transaction
from snapshot_postgres.pool import PooledConnection
from support.messages import device, tenant
from support.postgres import PostgresWorld, postgres_world

_INSERT = """
    INSERT INTO router_config_snapshots (device_id, tenant_id, config_text, sha256_hash)
    VALUES ($1, $2, 'vault:v1:x', 'x')
"""
_WORK = {
    "has written": _INSERT,
    "has read": "SELECT FROM router_config_snapshots WHERE device_id = $1 OR tenant_id = $2",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as running:
        await running.register(device("r1"), tenant("acme"))
        yield running


@pytest.fixture
def transactions(world: PostgresWorld) -> PostgresTransactions:
    """As the ingest role, which is not allowed to look into other sessions."""
    return PostgresTransactions(world.pool)


@pytest.fixture
async def other(world: PostgresWorld) -> AsyncIterator[PooledConnection]:
    async with world.admin.acquire(timeout=10) as connection:
        yield connection


def ids() -> tuple[DeviceId, TenantId]:
    return device("r1"), tenant("acme")


@pytest.mark.parametrize("work", sorted(_WORK))
async def test_one_that_has_touched_the_table_is_at_work_until_it_ends(
    transactions: PostgresTransactions, other: PooledConnection, work: str
) -> None:
    assert await transactions.at_work() == frozenset()
    async with other.transaction():
        await other.execute(_WORK[work], *ids())
        [seen] = await transactions.at_work()
        assert seen.pid == other.get_server_pid()
    assert await transactions.at_work() == frozenset()


async def test_the_next_one_of_the_same_session_is_another(
    transactions: PostgresTransactions, other: PooledConnection
) -> None:
    seen: list[Transaction] = []
    for _ in range(2):
        async with other.transaction():
            await other.execute(_INSERT, *ids())
            seen += await transactions.at_work()
    first, second = seen
    assert first != second
    assert first.pid == second.pid


async def test_one_that_waits_for_the_table_is_at_work(
    world: PostgresWorld, transactions: PostgresTransactions, other: PooledConnection
) -> None:
    async with world.admin.acquire(timeout=10) as locking, locking.transaction():
        await locking.execute("LOCK TABLE router_config_snapshots IN SHARE MODE")
        waiting = asyncio.create_task(other.execute(_INSERT, *ids()))
        await world.until_somebody_waits()
        pids = {seen.pid for seen in await transactions.at_work()}
        assert pids == {locking.get_server_pid(), other.get_server_pid()}
    await waiting


async def test_one_on_other_tables_is_none_of_them(
    transactions: PostgresTransactions, other: PooledConnection
) -> None:
    async with other.transaction():
        await other.execute("SELECT FROM devices WHERE id = $1 OR tenant_id = $2", *ids())
        assert await transactions.at_work() == frozenset()
