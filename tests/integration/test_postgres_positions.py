"""What PostgreSQL itself adds to the contract of StoredSnapshots: open transactions and plans."""

import json
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from snapshot_conformance.repository_world import Story
from snapshot_domain.errors import Misconfigured
from snapshot_domain.model import BEFORE_ALL, SnapshotId, StoredPosition
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres.batch import batch_columns
from snapshot_postgres.pool import PooledConnection
from snapshot_postgres.sql import query
from support.postgres import PostgresWorld, postgres_world

_MANY = 1_000
_STORED_BY_OTHERS = """
INSERT INTO snapshot_ingest.snapshots
    (snapshot_id, device_id, tenant_id, digest, collected_at, sequence, last_seen,
     last_seen_sequence, plaintext_bytes, stored_bytes, format, flags)
VALUES (gen_random_uuid(), $1, $2, decode(repeat('00', 32), 'hex'), now(), 0, now(), 0, 1, 1,
    'transit', 0)
"""
_FILL = """
INSERT INTO snapshot_ingest.snapshots
    (snapshot_id, device_id, tenant_id, digest, collected_at, sequence, last_seen,
     last_seen_sequence, plaintext_bytes, stored_bytes, format, flags, stored_in)
SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), decode(repeat('00', 32), 'hex'),
    now(), n, now(), n, 1, 1, 'transit', 0, ((n - 1) / 100 + 3)::text::xid8
FROM generate_series(1, 20000) AS n
"""
_BLOCKS_A_SNAPSHOT_AT_MOST = 8


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as running:
        yield running


@pytest.fixture
async def slow(world: PostgresWorld) -> AsyncIterator[PooledConnection]:
    """The session of a worker whose transaction takes long."""
    async with world.session_of_its_own() as session:
        yield session


async def _read(world: PostgresWorld, position: StoredPosition = BEFORE_ALL) -> list[SnapshotId]:
    page = await world.stored_snapshots.since(position, _MANY)
    return [each.snapshot_id for each in page.notices]


async def _store_in(session: PooledConnection, story: Story, text: str, hour: int) -> SnapshotId:
    [row] = await session.fetch(query("store_batch"), *batch_columns([story.snapshot(text, hour)]))
    return SnapshotId(row["snapshot_id"])


async def test_what_is_committed_late_is_read_although_later_ones_were_committed_before(
    world: PostgresWorld, slow: PooledConnection
) -> None:
    one, other = await Story(world).begin(), await Story(world).begin()
    first = await one.stored("A", 1)
    async with slow.transaction():
        late = await _store_in(slow, other, "A", 1)
        later = await one.stored("B", 2)
        assert later.position.transaction > first.position.transaction
        # Beyond the oldest transaction that still runs, nothing is read yet.
        assert await _read(world, first.position) == []
    assert await _read(world, first.position) == [late, later.snapshot_id]


async def test_a_transaction_that_stores_nothing_holds_up_nobody_unless_it_writes(
    world: PostgresWorld, slow: PooledConnection
) -> None:
    story = await Story(world).begin()
    async with slow.transaction():
        await slow.fetch("SELECT FROM snapshot_ingest.heads")
        stored = await story.stored("A", 1)
        before = stored.position.before
        assert await _read(world, before) == [stored.snapshot_id]


async def test_what_was_undone_has_no_notice(world: PostgresWorld, slow: PooledConnection) -> None:
    story = await Story(world).begin()
    first = await story.stored("A", 1)
    transaction = slow.transaction()
    await transaction.start()
    await _store_in(slow, story, "B", 2)
    await transaction.rollback()
    again = await story.stored("B", 2)
    assert await _read(world, first.position) == [again.snapshot_id]


async def test_the_position_is_that_of_the_whole_transaction_also_when_it_is_stored_in_parts(
    world: PostgresWorld, slow: PooledConnection
) -> None:
    story = await Story(world).begin()
    async with slow.transaction():
        async with slow.transaction():
            [row] = await slow.fetch(query("store_batch"), *batch_columns([story.snapshot("A", 1)]))
        whole = await slow.fetchval("SELECT pg_current_xact_id()::text")
    assert row["stored_in"] == whole
    assert await _read(world, StoredPosition.parse(whole).before) == [row["snapshot_id"]]


async def test_rows_that_others_wrote_and_rows_from_before_positions_have_no_notice(
    world: PostgresWorld,
) -> None:
    story = await Story(world).begin()
    stored = [await story.stored("A", 1), await story.stored("B", 2)]
    await world.admin.execute(_STORED_BY_OTHERS, story.device, story.tenant)
    await world.admin.execute(
        "UPDATE snapshot_ingest.snapshots SET stored_in = NULL WHERE snapshot_id = $1",
        stored[0].snapshot_id,
    )
    before = stored[0].position.before
    [notice] = (await world.stored_snapshots.since(before, _MANY)).notices
    assert notice.snapshot_id == stored[1].snapshot_id
    assert notice.previous_id == stored[0].snapshot_id


async def test_a_position_ahead_of_the_database_says_what_to_do(world: PostgresWorld) -> None:
    position = StoredPosition(1 << 60)
    with pytest.raises(Misconfigured, match=r"SI005.*listen\.md"):
        await world.stored_snapshots.since(position, 1)


async def test_a_page_costs_the_same_wherever_it_begins(stack: EmbeddedStack) -> None:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as own:
        await own.admin.execute(_FILL)
        await own.admin.execute("VACUUM ANALYZE snapshot_ingest.snapshots")
        await _blocks_read(own, "0")  # the first reads the catalogue too
        blocks = [await _blocks_read(own, str(transaction)) for transaction in (0, 100, 195)]
    assert max(blocks) < 100 * _BLOCKS_A_SNAPSHOT_AT_MOST


async def _blocks_read(world: PostgresWorld, after: str) -> int:
    plan = await world.pool.fetchval(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)"
        " SELECT * FROM snapshot_ingest.stored_since($1::text::xid8, 100)",
        after,
    )
    read: Sequence[dict[str, dict[str, int]]] = json.loads(plan)
    return int(read[0]["Plan"]["Shared Hit Blocks"])
