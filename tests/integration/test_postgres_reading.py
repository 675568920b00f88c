"""Reading stored snapshots back with the reader's role, and counting what is stored."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from snapshot_conformance.quarantine import rejected
from snapshot_conformance.repository_world import Story, digest_of
from snapshot_domain.errors import Misconfigured
from snapshot_domain.model import DeviceId, SnapshotFlag, SnapshotId, TenantId
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import (
    Pool,
    PostgresSnapshotReader,
    PostgresStatus,
    StoreStatus,
    grant_reader_role,
    open_pool,
)
from support.postgres import PostgresWorld, postgres_world

PASSWORD = "reader-guards-nothing-here"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reading(world: PostgresWorld) -> AsyncIterator[Pool]:
    """A pool of the reader's role."""
    role = f"reader_{world.database.name}"
    async with world.admin.acquire(timeout=10) as connection:
        await grant_reader_role(connection, role, PASSWORD)
    async with await open_pool(world.database.dsn_of(role), password=PASSWORD) as pool:
        yield pool
    await world.admin.execute(f"DROP OWNED BY {role}")
    await world.admin.execute(f"DROP ROLE {role}")


@pytest.fixture
async def reader(reading: Pool) -> PostgresSnapshotReader:
    return PostgresSnapshotReader(reading)


@pytest.fixture
async def story(world: PostgresWorld) -> Story:
    return await Story(world).begin()


async def test_a_snapshot_is_found_by_its_id(reader: PostgresSnapshotReader, story: Story) -> None:
    snapshot = story.snapshot("A", 1)
    await story.world.repository.store([snapshot])
    await story.tell("A", 2)
    await story.stored("B", 3)
    [first, _] = await story.runs()
    found = await reader.snapshot(first.snapshot_id)
    assert found is not None
    assert found.ciphertext == snapshot.ciphertext
    assert (found.device_id, found.tenant_id) == (story.device, story.tenant)
    assert (found.digest, found.flags) == (digest_of("A"), SnapshotFlag.NONE)
    assert (found.collected_at, found.sequence) == story.at(1)
    assert found.last_seen == story.at(2)[0]


async def test_the_newest_of_a_device_is_by_time_and_not_by_arrival(
    reader: PostgresSnapshotReader, story: Story
) -> None:
    await story.stored("A", 1)
    newest = await story.stored("C", 3)
    await story.stored("B", 2)
    found = await reader.newest_of(story.device)
    assert found is not None
    assert found.snapshot_id == newest.snapshot_id


async def test_the_newest_is_the_newest_whose_row_is_still_there(
    reader: PostgresSnapshotReader, story: Story
) -> None:
    kept = await story.stored("A", 1)
    deleted = await story.stored("B", 2)
    await story.world.delete_row(deleted.snapshot_id)
    found = await reader.newest_of(story.device)
    assert found is not None
    assert found.snapshot_id == kept.snapshot_id
    assert await reader.snapshot(deleted.snapshot_id) is None


async def test_after_a_move_both_tenants_snapshots_are_found(
    reader: PostgresSnapshotReader, story: Story
) -> None:
    former = await story.stored("A", 1)
    story.tenant = TenantId(uuid4())
    await story.world.register(story.device, story.tenant)
    await story.stored("A", 2)
    newest, first = await reader.newest_of(story.device), await reader.snapshot(former.snapshot_id)
    assert newest is not None
    assert first is not None
    assert newest.tenant_id == story.tenant
    assert first.tenant_id != story.tenant


async def test_digest_and_text_are_those_of_one_moment(
    world: PostgresWorld, reader: PostgresSnapshotReader, story: Story
) -> None:
    stored = await story.stored("A", 1)
    before = await reader.snapshot(stored.snapshot_id)
    assert before is not None
    after = (digest_of("another"), "vault:v1:another")
    async with world.admin.acquire(timeout=10) as operator, operator.transaction():
        await operator.execute("LOCK TABLE router_config_snapshots IN ACCESS EXCLUSIVE MODE")
        reading = asyncio.create_task(reader.snapshot(stored.snapshot_id))
        await world.until_somebody_waits()
        await operator.execute(
            "UPDATE snapshot_ingest.snapshots SET digest = decode($2, 'hex')"
            " WHERE snapshot_id = $1",
            *(stored.snapshot_id, after[0].hex),
        )
        await operator.execute(
            "UPDATE router_config_snapshots SET config_text = $2 WHERE id = $1",
            *(stored.snapshot_id, after[1]),
        )
    found = await reading
    assert found is not None
    pair = (found.digest, found.ciphertext.text)
    assert pair in ((before.digest, before.ciphertext.text), after)


async def test_what_is_unknown_is_not_found(reader: PostgresSnapshotReader) -> None:
    assert await reader.snapshot(SnapshotId(uuid4())) is None
    assert await reader.newest_of(DeviceId(uuid4())) is None


async def test_the_status_counts_messages_and_no_copies(
    stack: EmbeddedStack,
) -> None:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as own:
        status = PostgresStatus(own.pool)
        assert await status.read() == StoreStatus(devices=0, snapshots=0, quarantined={})
        story = await Story(own).begin()
        await own.repository.store([story.snapshot("A", 1, encrypted=False)])
        assert (await status.read()).devices == 0
        await story.stored("A", 1)
        await story.tell("A", 5)
        await story.stored("B", 3)
        assert len(await story.runs()) == 3
        await own.quarantine.keep([rejected("S", 1), rejected("S", 2)])
        assert await status.read() == StoreStatus(devices=1, snapshots=2, quarantined={"orphan": 2})


async def test_without_our_schema_reading_is_misconfigured(stack: EmbeddedStack) -> None:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as own:
        await own.admin.execute("DROP SCHEMA snapshot_ingest CASCADE")
        with pytest.raises(Misconfigured, match="migrate"):
            await PostgresSnapshotReader(own.pool).newest_of(DeviceId(uuid4()))
        with pytest.raises(Misconfigured, match="migrate"):
            await PostgresStatus(own.pool).read()
