"""Behind Debian's PgBouncer in transaction mode, everything works as without it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from snapshot_conformance.device_directory import DeviceDirectoryContract
from snapshot_conformance.hash_repository import HashRepositoryContract
from snapshot_conformance.quarantine import QuarantineContract
from snapshot_conformance.repository_world import Story, the_stored
from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_domain.outcome import AlreadyStored, Stored
from snapshot_ingest.connections import message_source
from snapshot_ingest.embedded.setting_up import set_up
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import PostgresHashRepository, open_pool
from support.backend_database import PASSWORD, BackendWorld, backend_world
from support.backfill_tests import BackfillTests
from support.command import running
from support.installation import Fleet, Installation
from support.messages import MORNING
from support.pgbouncer import PgBouncer, pgbouncer
from support.postgres import INGEST_PASSWORD, PostgresWorld, postgres_world
from support.waiting import until_true

_STATEMENTS = "SELECT count(*) FROM pg_prepared_statements"


@pytest.fixture(scope="module")
def pooler(debian_postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    with pgbouncer(debian_postgres, tmp_path_factory.mktemp("pgbouncer")) as running_pooler:
        yield running_pooler


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres(debian_postgres: str, pooler: PgBouncer) -> AsyncIterator[PostgresWorld]:
    """The ingest role's adapters behind the pooler."""
    async with postgres_world(debian_postgres) as direct:
        dsn = pooler.instead_of(direct.database.dsn_of(direct.database.ingest_role))
        async with await open_pool(dsn, password=INGEST_PASSWORD) as pool:
            yield PostgresWorld(direct.database, pool)


class TestPooledHashRepository(HashRepositoryContract):
    @pytest.fixture
    async def world(self, postgres: PostgresWorld) -> PostgresWorld:
        return postgres


class TestPooledDeviceDirectory(DeviceDirectoryContract):
    @pytest.fixture
    async def world(self, postgres: PostgresWorld) -> PostgresWorld:
        return postgres


class TestPooledQuarantine(QuarantineContract):
    @pytest.fixture
    async def world(self, postgres: PostgresWorld) -> PostgresWorld:
        return postgres


class TestPooledBackfill(BackfillTests):
    @pytest.fixture
    async def world(self, debian_postgres: str, pooler: PgBouncer) -> AsyncIterator[BackendWorld]:
        async with backend_world(debian_postgres) as direct:
            dsn = pooler.instead_of(direct.database.dsn_of(direct.owner))
            async with await open_pool(dsn, password=PASSWORD) as owning:
                yield BackendWorld(direct.database, direct.pool, owner=direct.owner, owning=owning)


async def test_no_statement_is_kept_behind_it(postgres: PostgresWorld) -> None:
    """A session's statements would answer other clients that have the same names for theirs."""
    await asyncio.gather(*(postgres.pool.fetchval(_STATEMENTS) for _ in range(20)))
    assert await postgres.pool.fetchval(_STATEMENTS) == 0
    dsn = postgres.database.dsn_of(postgres.database.ingest_role)
    async with await open_pool(dsn, password=INGEST_PASSWORD, max_size=1) as direct:
        await direct.fetchval(_STATEMENTS)
        assert await direct.fetchval(_STATEMENTS) == 1


async def test_a_hosts_pool_that_keeps_statements_behind_it_is_refused(
    postgres: PostgresWorld, pooler: PgBouncer
) -> None:
    story = await Story(postgres).begin()
    direct = postgres.database.dsn_of(postgres.database.ingest_role)
    for dsn, kept, is_refused in (
        (pooler.instead_of(direct), 100, True),
        (pooler.instead_of(direct), 0, False),
        (direct, 100, False),
    ):
        async with asyncpg.create_pool(
            dsn, password=INGEST_PASSWORD, min_size=0, max_size=2, statement_cache_size=kept
        ) as hosts:
            repository = PostgresHashRepository(hosts)
            if is_refused:
                with pytest.raises(Misconfigured, match="statement_cache_size=0"):
                    await repository.store([story.snapshot("A", 1)])
                continue
            [answer] = await repository.store([story.snapshot("A", 1)])
            assert isinstance(answer, Stored | AlreadyStored)


async def test_a_pooler_without_room_is_unavailable_and_heals(
    debian_postgres: str, tmp_path: Path
) -> None:
    async with postgres_world(debian_postgres) as world:
        role_dsn = world.database.dsn_of(world.database.ingest_role)
        with pgbouncer(debian_postgres, tmp_path, clients=1) as narrow:
            dsn = narrow.instead_of(role_dsn)
            async with (
                await open_pool(dsn, password=INGEST_PASSWORD) as pool,
                await open_pool(dsn, password=INGEST_PASSWORD) as other,
            ):
                story = await Story(world).begin()
                repository = PostgresHashRepository(pool)
                async with other.acquire(timeout=10):
                    with pytest.raises(Unavailable):
                        await repository.store([story.snapshot("A", 1)])
                other.terminate()
                await until_true(lambda: _is_stored(repository, story))


async def _is_stored(repository: PostgresHashRepository, story: Story) -> bool:
    try:
        [answer] = await repository.store([story.snapshot("A", 1)])
    except Unavailable:
        return False
    the_stored(answer)
    return True


async def test_two_workers_and_the_people_around_them_work_behind_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("behind-pgbouncer")
    async with EmbeddedStack(folder / "stack") as stack:
        ready = await set_up(folder / "stack", stack.addresses, [])
        installation = Installation(ready, folder)
        admin_dsn = stack.addresses.postgres_admin_dsn
        with pgbouncer(admin_dsn, tmp_path_factory.mktemp("bouncer")) as pooler:
            _lead_through(ready.settings_file, admin_dsn, pooler)
            fleets = [Fleet() for _ in range(30)]
            for fleet in fleets:
                await installation.register(fleet)
            worker = ("--config", ready.settings_file, "--set", "http.port=0", "run")
            async with running(*worker, folder=folder), running(*worker, folder=folder):
                for text in ("first", "first", "second"):
                    for fleet in fleets:
                        await installation.publish(fleet, fleet.body(f"# {text}\n", MORNING))
                await until_true(lambda: _is_settled(installation), seconds=60)
            shown = await installation.command("show", fleets[0].device)
            assert shown.lines in (["# first"], ["# second"])
            for fleet in fleets:
                assert len(await installation.times(fleet)) == 2
            [filled] = (await installation.command("migrate")).lines
            assert filled.startswith("existing rows: 0 of 60 came into the timelines")
            assert (await installation.command("rewrap", "--json")).code == 0
            assert (await installation.quarantine("list", "--json")).json == []


def _lead_through(settings_file: Path, admin_dsn: str, pooler: PgBouncer) -> None:
    """All roles of the file go through the pooler."""
    address = admin_dsn.rpartition("@")[2]
    text = settings_file.read_text()
    assert address in text
    settings_file.write_text(
        text.replace(address, f"127.0.0.1:{pooler.port}/{address.partition('/')[2]}")
    )


async def _is_settled(installation: Installation) -> bool:
    source = message_source(installation.ready.settings.nats)
    try:
        return (await source.backlog()).is_empty
    finally:
        await source.close()
