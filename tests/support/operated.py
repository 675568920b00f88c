"""A database with an operator's role beside the ingest role."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import frozen

from snapshot_postgres import (
    Pool,
    PostgresDigestKeys,
    PostgresDigestRecords,
    PostgresStoredTexts,
    grant_operator_role,
    open_pool,
)
from support.postgres import PostgresWorld, postgres_world

PASSWORD = "operator-guards-nothing-here"


@frozen(kw_only=True)
class OperatedWorld(PostgresWorld):
    """The adapters of the ingest role, and beside them an operator's."""

    operating: Pool

    @property
    def stored_texts(self) -> PostgresStoredTexts:
        """See StoredTextsWorld."""
        return PostgresStoredTexts(self.operating)

    @property
    def digest_keys(self) -> PostgresDigestKeys:
        """See KeyedDigestsWorld."""
        return PostgresDigestKeys(self.pool)

    async def lose_digest_key(self) -> None:
        """See KeyedDigestsWorld."""
        await self.admin.execute("DELETE FROM snapshot_ingest.digest_keys")

    async def begin_without_keyed_digests(self) -> None:
        """Whatever tests ran before on this database."""
        await self.lose_digest_key()
        await self.admin.execute("UPDATE snapshot_ingest.heads SET digest_key = NULL")

    @property
    def digest_records(self) -> PostgresDigestRecords:
        """See KeyedDigestsWorld."""
        return PostgresDigestRecords(self.operating)


@asynccontextmanager
async def operated_world(admin_dsn: str) -> AsyncIterator[OperatedWorld]:
    """The adapters on a migrated database of their own, which is dropped at the end."""
    async with postgres_world(admin_dsn) as world:
        role = f"operator_{world.database.name}"
        async with world.admin.acquire(timeout=10) as connection:
            await grant_operator_role(connection, role, PASSWORD)
        async with await open_pool(world.database.dsn_of(role), password=PASSWORD) as pool:
            yield OperatedWorld(world.database, world.pool, operating=pool)
        await world.admin.execute(f"DROP OWNED BY {role}")
        await world.admin.execute(f"DROP ROLE {role}")
