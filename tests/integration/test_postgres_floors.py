"""What PostgreSQL itself adds to the contract of AckFloors: nobody holds a floor for long."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import pytest_asyncio
from attrs import evolve

from snapshot_domain.ports import Floor
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import PostgresAckFloors
from snapshot_postgres.ack_floors import keep_floor
from snapshot_postgres.errors import DRIVER_ERRORS
from snapshot_postgres.pool import PooledConnection
from support.postgres import PostgresWorld, postgres_world

_MORNING = datetime(2026, 4, 2, 6, 15, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as running:
        yield running


@pytest.fixture
async def frozen(world: PostgresWorld) -> AsyncIterator[PooledConnection]:
    """The session of a worker that will not end its transaction."""
    async with world.session_of_its_own() as session:
        yield session


def _floor() -> Floor:
    return Floor(
        stream=f"STREAM_{uuid4().hex}",
        stream_created_at=_MORNING,
        consumer="config_snapshot_ingest",
        consumer_created_at=_MORNING,
        sequence=1,
        delivered_sequence=1,
        deliveries=1,
        pending=0,
        first_sequence=1,
        last_sequence=9,
        at=_MORNING,
    )


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_worker_that_freezes_while_it_keeps_a_floor_stops_nobody_elses_for_long(
    world: PostgresWorld,
    frozen: PooledConnection,
    is_first: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    floors, floor = PostgresAckFloors(world.pool), _floor()
    known = None if is_first else floor
    if known is not None:
        await floors.keep(known, None)
    transaction = frozen.transaction()
    await transaction.start()
    assert await keep_floor(frozen, evolve(floor, sequence=2), known)
    assert await floors.keep(evolve(floor, sequence=3), known)
    with pytest.raises(DRIVER_ERRORS):
        await transaction.commit()
    kept = await floors.load(floor.stream, floor.consumer)
    assert kept is not None
    assert kept.sequence == 3
