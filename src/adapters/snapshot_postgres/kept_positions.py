"""KeptPositions over a table of our own schema."""

from datetime import timedelta

from snapshot_domain.errors import Dependency
from snapshot_domain.model import StoredPosition
from snapshot_domain.ports import HolderId
from snapshot_postgres.database import Database
from snapshot_postgres.pool import Pool
from snapshot_postgres.sql import query


class PostgresKeptPositions:
    """A row for each name; every step is one statement, and no connection is kept for a claim."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)

    async def claim(self, name: str, holder: HolderId, lasts: timedelta) -> StoredPosition | None:
        """See KeptPositions."""
        rows = await self._database.ask(query("claim_position"), name, holder, lasts)
        return StoredPosition.parse(rows[0]["transaction"]) if rows else None

    async def move(
        self, name: str, holder: HolderId, position: StoredPosition, lasts: timedelta
    ) -> bool:
        """See KeptPositions."""
        rows = await self._database.ask(query("move_position"), name, holder, str(position), lasts)
        return bool(rows)

    async def let_go(self, name: str, holder: HolderId) -> None:
        """See KeptPositions."""
        await self._database.ask(query("let_go_of_position"), name, holder)
