"""What waits and what is decided in the real quarantine, by contract, and by which role."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
import pytest_asyncio
from attrs import frozen

from snapshot_conformance.quarantine import rejected
from snapshot_conformance.quarantine_review import QuarantineReviewContract
from snapshot_conformance.waiting_messages import WaitingMessagesContract
from snapshot_domain.errors import Misconfigured
from snapshot_domain.model import Ciphertext
from snapshot_domain.ports import QuarantineSelection
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import (
    Pool,
    PostgresQuarantine,
    PostgresQuarantineReview,
    PostgresStatus,
    PostgresWaitingMessages,
    grant_reader_role,
    open_pool,
)
from snapshot_postgres.migrate import packaged_migrations
from support.postgres import PostgresWorld, assert_tells_nothing, postgres_world

PASSWORD = "reader-guards-nothing-here"
EVERYTHING = QuarantineSelection()


@frozen
class ReviewWorld:
    """Both adapters as the ingest role, and the table as the superuser sees it."""

    postgres: PostgresWorld

    @property
    def quarantine(self) -> PostgresQuarantine:
        return self.postgres.quarantine

    @property
    def review(self) -> PostgresQuarantineReview:
        return PostgresQuarantineReview(self.postgres.pool)

    @property
    def waiting(self) -> PostgresWaitingMessages:
        return PostgresWaitingMessages(self.postgres.pool)

    async def pass_time(self, by: timedelta) -> None:
        await self.postgres.admin.execute(
            "UPDATE snapshot_ingest.quarantine"
            " SET kept_at = kept_at - $1::interval, claimed_until = claimed_until - $1::interval",
            by,
        )

    async def ciphertexts(self, stream: str) -> Sequence[Ciphertext]:
        rows = await self.postgres.admin.fetch(
            "SELECT ciphertext FROM snapshot_ingest.quarantine"
            " WHERE stream = $1 AND ciphertext IS NOT NULL",
            stream,
        )
        return [Ciphertext(row["ciphertext"]) for row in rows]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reading(postgres: PostgresWorld) -> AsyncIterator[Pool]:
    """A pool of the reader's role."""
    role = f"reader_{postgres.database.name}"
    async with postgres.admin.acquire(timeout=10) as connection:
        await grant_reader_role(connection, role, PASSWORD)
    async with await open_pool(postgres.database.dsn_of(role), password=PASSWORD) as pool:
        yield pool
    await postgres.admin.execute(f"DROP OWNED BY {role}")
    await postgres.admin.execute(f"DROP ROLE {role}")


class TestPostgresQuarantineReview(QuarantineReviewContract):
    @pytest.fixture
    async def world(self, postgres: PostgresWorld) -> ReviewWorld:
        return ReviewWorld(postgres)


class TestPostgresWaitingMessages(WaitingMessagesContract):
    @pytest.fixture
    async def world(self, postgres: PostgresWorld) -> ReviewWorld:
        return ReviewWorld(postgres)


async def test_the_reader_looks_and_decides_nothing(postgres: PostgresWorld, reading: Pool) -> None:
    await postgres.quarantine.keep([rejected("READ", 1)])
    review = PostgresQuarantineReview(reading)
    (entry, *_) = await review.newest(EVERYTHING, 1)
    assert len(await review.messages([entry.entry_id])) == 1
    with pytest.raises(Misconfigured) as dropping:
        await review.drop([entry.entry_id])
    with pytest.raises(Misconfigured):
        await review.mark_replayed([entry.entry_id])
    with pytest.raises(Misconfigured, match="UPDATE on snapshot_ingest"):
        await review.check()
    assert_tells_nothing(dropping.value)
    with pytest.raises(Misconfigured):
        await PostgresWaitingMessages(reading).discard_orphans([entry.entry_id])
    with pytest.raises(Misconfigured):
        await PostgresQuarantineReview(reading).forget(entry.origin)


async def test_without_the_right_to_update_the_quarantine_says_that_it_does_not_work(
    stack: EmbeddedStack,
) -> None:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as own:
        role = own.database.ingest_role
        await own.admin.execute(f"REVOKE UPDATE ON snapshot_ingest.quarantine FROM {role}")
        with pytest.raises(Misconfigured, match="UPDATE on snapshot_ingest"):
            await own.quarantine.check()


async def test_the_status_counts_only_what_is_kept(stack: EmbeddedStack) -> None:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as own:
        await own.quarantine.keep([rejected("S", 1), rejected("S", 2), rejected("S", 3)])
        review = PostgresQuarantineReview(own.pool)
        first, second, _ = await review.select(EVERYTHING)
        await review.drop([first])
        await review.mark_replayed([second])
        assert (await PostgresStatus(own.pool).read()).quarantined == {"orphan": 1}


async def test_messages_that_were_kept_before_the_migration_get_their_numbers(
    stack: EmbeddedStack,
) -> None:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as own:
        await own.admin.execute(
            "ALTER TABLE snapshot_ingest.quarantine DROP COLUMN id, DROP COLUMN state"
        )
        await own.admin.execute(
            "INSERT INTO snapshot_ingest.quarantine SELECT 'S', now(), n, 'x', now(), 'orphan', '',"
            " false, NULL, NULL, 1, 'si1q:' FROM generate_series(1, 3) AS n"
        )
        migration = next(step for step in packaged_migrations() if step.name.startswith("0006"))
        await own.admin.execute(migration.sql)
        assert len(await PostgresQuarantineReview(own.pool).select(EVERYTHING)) == 3
