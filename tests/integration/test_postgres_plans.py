"""However many devices there are, each that is asked for is looked up by its key, and no other.

Also before the backend's tables were ever analysed, when the planner guesses what the policy of
a table hides.
"""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres.pool import PooledConnection
from support.messages import tenant
from support.postgres import PostgresWorld, postgres_world

_DEVICES = 4_000
_ASKED_FOR = 200
_TIMES = 10
"""A session keeps its plan from the sixth time on."""
_ROWS_READ = """
    SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)
    FROM pg_stat_xact_user_tables WHERE relname = 'devices'
"""


@pytest.fixture
async def world(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    """Many devices in a table that is never analysed."""
    async with postgres_world(stack.addresses.postgres_admin_dsn) as world:
        await world.admin.execute("ALTER TABLE devices SET (autovacuum_enabled = off)")
        await world.admin.execute("INSERT INTO tenants VALUES ($1, 'acme')", tenant("acme"))
        await world.admin.execute(
            "INSERT INTO devices SELECT gen_random_uuid(), $1, 'router', '192.0.2.1'"
            " FROM generate_series(1, $2)",
            tenant("acme"),
            _DEVICES,
        )
        yield world


async def _some(world: PostgresWorld) -> list[UUID]:
    rows = await world.admin.fetch("SELECT id FROM devices ORDER BY id LIMIT $1", _ASKED_FOR)
    return [row["id"] for row in rows]


async def _rows_read(connection: PooledConnection) -> int:
    rows: int = await connection.fetchval(_ROWS_READ)
    return rows


async def test_owners_are_looked_up_one_row_each(world: PostgresWorld) -> None:
    devices = await _some(world)
    async with world.session_of_its_own() as connection, connection.transaction():
        for _ in range(_TIMES):
            found = await connection.fetch("SELECT * FROM snapshot_ingest.owners($1)", devices)
            assert len(found) == _ASKED_FOR
        assert await _rows_read(connection) == _TIMES * _ASKED_FOR


async def test_what_is_stored_is_looked_up_one_row_each(world: PostgresWorld) -> None:
    devices, tenants = await _some(world), [tenant("acme")] * _ASKED_FOR
    async with world.session_of_its_own() as connection, connection.transaction():
        for _ in range(_TIMES):
            items = await connection.fetchval(
                "SELECT snapshot_ingest.owned_items($1, $2)", devices, tenants
            )
            assert len(items) == _ASKED_FOR
        assert await _rows_read(connection) == _TIMES * _ASKED_FOR
