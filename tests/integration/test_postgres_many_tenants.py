"""A batch of many tenants in one pass: what row-level security shows it, and what it costs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from attrs import evolve

from snapshot_conformance.repository_world import Story, the_stored
from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_domain.model import Ciphertext, DigestKeyId, EncryptedSnapshot, Keying, TenantId
from snapshot_domain.outcome import Orphaned, Stored, Unchanged
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import PostgresHashRepository, open_pool
from snapshot_postgres.batch import batch_columns
from snapshot_postgres.pool import PooledConnection
from snapshot_postgres.sql import query
from support.calls import calls_of
from support.postgres import INGEST_PASSWORD, PostgresWorld, postgres_world

_DEVICES = 200
_READ_ROWS = (
    "SELECT coalesce(sum(idx_scan), 0) FROM pg_stat_xact_user_tables"
    " WHERE relname = 'router_config_snapshots'"
)


@pytest.fixture
async def world(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    """A database for each test: some break it."""
    async with postgres_world(stack.addresses.postgres_admin_dsn) as running:
        yield running


async def stories_of(world: PostgresWorld, tenants: int, devices: int = _DEVICES) -> list[Story]:
    """So many devices, of so many tenants in turn."""
    ids = [TenantId(uuid4()) for _ in range(tenants)]
    return [await Story(world, ids[number % tenants]).begin() for number in range(devices)]


async def stored_in(session: PooledConnection, batch: Sequence[EncryptedSnapshot]) -> Counter[str]:
    """How often there was each answer."""
    rows = await session.fetch(query("store_batch"), *batch_columns(batch))
    return Counter(row["answer"] for row in rows)


async def break_function(world: PostgresWorld, name: str, part: str, instead: str) -> None:
    """Puts something else in the place of a part of a function of ours."""
    definition = await world.admin.fetchval(
        "SELECT pg_get_functiondef($1::text::regproc)", f"snapshot_ingest.{name}"
    )
    assert definition.count(part) == 1
    await world.admin.execute(definition.replace(part, instead))


@pytest.mark.parametrize("tenants", [1, 2, 200])
async def test_each_row_is_stored_and_found_again_under_its_own_tenant(
    world: PostgresWorld, tenants: int
) -> None:
    stories = await stories_of(world, tenants)
    stranger = await Story(world).begin()
    stranger.tenant = stories[0].tenant
    batch = [story.snapshot("A", 1) for story in [*stories, stranger]]
    *answers, foreign = await world.repository.store(batch)
    assert foreign == Orphaned()
    assert await world.rows(stranger.device) == []
    for story, answer, snapshot in zip(stories, answers, batch, strict=False):
        (row,) = await world.rows(story.device)
        assert row.snapshot_id == the_stored(answer).snapshot_id
        assert (row.tenant_id, row.ciphertext) == (
            story.tenant,
            snapshot.ciphertext and snapshot.ciphertext.text,
        )
    answers = list(await world.repository.store([story.snapshot("A", 2) for story in stories]))
    assert answers == [Unchanged()] * _DEVICES
    for text, story in zip("AB" * (_DEVICES // 2), stories, strict=True):
        batch.append(story.snapshot(text, 3))
    answers = list(await world.repository.store(batch[-_DEVICES:]))
    assert [type(answer) for answer in answers] == [Unchanged, Stored] * (_DEVICES // 2)


@pytest.mark.parametrize("tenants", [1, 2, 200])
async def test_each_row_is_looked_for_once_however_many_tenants_there_are(
    world: PostgresWorld, tenants: int
) -> None:
    stories = await stories_of(world, tenants)
    await world.repository.store([story.snapshot("A", 1) for story in stories])
    async with world.session_of_its_own() as session, session.transaction():
        changed = await stored_in(session, [story.snapshot("B", 2) for story in stories])
        assert changed == {"stored": _DEVICES}
        assert await session.fetchval(_READ_ROWS) == 0
        unchanged = await stored_in(session, [story.snapshot("B", 3) for story in stories])
        assert unchanged == {"unchanged": _DEVICES}
        assert await session.fetchval(_READ_ROWS) == _DEVICES


@pytest.mark.parametrize("tenants", [1, 2, 200])
async def test_a_row_that_only_the_first_look_misses_is_not_taken_for_gone(
    world: PostgresWorld, tenants: int
) -> None:
    """As if a server had set the tenant after the look at the row, and not before it."""
    stories = await stories_of(world, tenants)
    await world.repository.store([story.snapshot("A", 1) for story in stories])
    gone = stories[7]
    await world.admin.execute(
        "DELETE FROM router_config_snapshots WHERE device_id = $1", gone.device
    )
    await break_function(world, "places", "tenants[placed.n]::text", "gen_random_uuid()::text")
    answers = await world.repository.store([story.snapshot("A", 2) for story in stories])
    expected = [Stored if story is gone else Unchanged for story in stories]
    assert [type(answer) for answer in answers] == expected
    async with world.session_of_its_own() as session, session.transaction():
        await stored_in(session, [story.snapshot("A", 3) for story in stories])
        assert await session.fetchval(_READ_ROWS) == 2 * _DEVICES  # so the function was broken


async def test_a_row_under_another_tenants_setting_is_refused_and_nothing_is_stored(
    world: PostgresWorld,
) -> None:
    """As if a server had set the tenant after it had checked the row."""
    stories = await stories_of(world, 2, 4)
    await break_function(
        world,
        "store_newest",
        "set_config('app.current_tenant', tenants[n]::text, true)::uuid",
        "tenants[n]",
    )
    with pytest.raises(Misconfigured, match="42501"):
        await world.repository.store([story.snapshot("A", 1) for story in stories])
    for story in stories:
        assert await story.runs() == []


async def test_a_batch_larger_than_work_mem_is_never_laid_by_in_a_file(
    world: PostgresWorld,
) -> None:
    """Each text goes from its array to its row; a set of rows with texts would be laid by."""
    stories = await stories_of(world, 2, 40)
    long = Ciphertext("vault:v1:" + "A" * 10_000)
    batch = [evolve(story.snapshot("A", 1), ciphertext=long) for story in stories]
    async with world.session_of_its_own() as session:
        await session.execute("SET work_mem = '128kB'")
        assert await stored_in(session, batch) == {"stored": 40}
        assert await _temporary_files(session) == 0
        await session.execute("SELECT count(x) FROM unnest($1::text[]) AS x", [long.text] * 40)
        assert await _temporary_files(session) > 0  # so they would have been counted


async def _temporary_files(session: PooledConnection) -> int:
    await session.execute("SELECT pg_stat_force_next_flush()")
    files = await session.fetchval(
        "SELECT temp_files FROM pg_stat_database WHERE datname = current_database()"
    )
    assert isinstance(files, int)
    return files


async def test_new_ids_stand_together_in_the_order_of_their_time(world: PostgresWorld) -> None:
    stories = await stories_of(world, 2)
    ids = []
    for hour in (1, 2):
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        answers = await world.repository.store(
            [story.snapshot(str(hour), hour) for story in stories]
        )
        batch = [the_stored(answer).snapshot_id for answer in answers]
        assert {(each.version, each.variant) for each in batch} == {(7, "specified in RFC 4122")}
        (made_at,) = {each.int >> 80 for each in batch}
        assert before.timestamp() * 1000 <= made_at <= datetime.now(UTC).timestamp() * 1000
        ids += batch
    assert max(ids[:_DEVICES]) < min(ids[_DEVICES:])
    assert len(set(ids)) == 2 * _DEVICES


async def test_a_keyed_digest_whose_key_is_gone_is_refused_in_one_look(
    world: PostgresWorld,
) -> None:
    """A head that is keyed is told from the same look that finds its run."""
    story = await Story(world).begin()
    await story.stored("A", 1)
    await world.admin.execute("UPDATE snapshot_ingest.heads SET digest_key = gen_random_uuid()")
    with pytest.raises(Misconfigured, match="SI002"):
        await story.tell("B", 2)
    snapshot = story.snapshot("B", 2)
    keying = Keying(DigestKeyId(uuid4()), snapshot.key.digest)
    other = await Story(world).begin()
    keyed = evolve(snapshot, key=evolve(other.key("B", 2), keying=keying))
    with pytest.raises(Misconfigured, match="SI002"):
        await world.repository.store([keyed])


async def test_a_session_of_another_isolation_is_asked_once_and_then_begins_by_itself(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = world.database.ingest_role
    await world.admin.execute(f"ALTER ROLE {role} SET default_transaction_isolation = serializable")
    story = await Story(world).begin()
    await world.repository.check()  # what a new connection is asked is not meant here
    said = calls_of(
        monkeypatch, asyncpg.Connection, "execute", "fetch", said=lambda statement, *_: statement
    )
    store, begin = query("store_batch"), "BEGIN ISOLATION LEVEL READ COMMITTED;"
    assert isinstance(await story.tell("A", 1), Stored)
    assert said == [store, begin, store, "COMMIT;"]
    said.clear()
    assert isinstance(await story.tell("B", 2), Stored)
    assert said == [begin, store, "COMMIT;"]


async def test_a_commit_of_one_round_trip_waits_for_what_the_role_would_not_wait_for(
    world: PostgresWorld,
) -> None:
    """The commit waits for a standby that never comes; one that is asynchronous would not."""
    role = world.database.ingest_role
    await world.admin.execute(f"ALTER ROLE {role} SET synchronous_commit = off")
    story = await Story(world).begin()
    dsn = world.database.dsn_of(role)
    async with await open_pool(dsn, password=INGEST_PASSWORD, command_timeout_seconds=1) as pool:
        await world.admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        await world.admin.execute("SELECT pg_reload_conf()")
        try:
            async with asyncio.timeout(10):
                while await pool.fetchval("SHOW synchronous_standby_names") != "nobody":
                    pass
            with pytest.raises(Unavailable, match="TimeoutError"):
                await PostgresHashRepository(pool).store([story.snapshot("A", 1)])
        finally:
            await world.admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            await world.admin.execute("SELECT pg_reload_conf()")
