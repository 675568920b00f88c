"""WaitingMessages over the table of the quarantine."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta

import asyncpg

from snapshot_domain.errors import Dependency
from snapshot_domain.ports import QuarantineId, QuarantineReason, Resealed, WaitingMessage
from snapshot_postgres.database import Database
from snapshot_postgres.errors import Fault
from snapshot_postgres.health import require_rights
from snapshot_postgres.pool import Pool, PooledConnection
from snapshot_postgres.sql import query

_RIGHTS = (
    ("snapshot_ingest.quarantine", "SELECT"),
    ("snapshot_ingest.quarantine", "UPDATE"),
)


class PostgresWaitingMessages:
    """Looks and decides with the ingest role."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.QUARANTINE, acquire_timeout_seconds)

    async def page(self, after: QuarantineId, limit: int) -> Sequence[WaitingMessage]:
        """See WaitingMessages."""
        rows = await self._database.ask(query("page", "waiting_messages.sql"), after, limit)
        return [_waiting_message(row) for row in rows]

    async def claim(
        self, entry_ids: Sequence[QuarantineId], lasts: timedelta
    ) -> AbstractSet[QuarantineId]:
        """See WaitingMessages."""
        return await self._change("claim", entry_ids, lasts)

    async def keep_for_a_person(self, resealed: Sequence[Resealed]) -> AbstractSet[QuarantineId]:
        """See WaitingMessages."""
        return await self._change(
            "keep_for_a_person",
            [each.entry_id for each in resealed],
            [each.former.text for each in resealed],
            [each.ciphertext.text for each in resealed],
        )

    async def discard_orphans(self, entry_ids: Sequence[QuarantineId]) -> AbstractSet[QuarantineId]:
        """See WaitingMessages."""
        return await self._change("discard_orphans", entry_ids)

    async def check(self) -> None:
        """Returns if the waiting messages can be looked at and decided on."""
        await require_rights(self._database, _RIGHTS)

    async def _change(self, name: str, *arguments: object) -> AbstractSet[QuarantineId]:
        """The ids that the statement returns, once it is on disk."""

        async def change(connection: PooledConnection) -> list[asyncpg.Record]:
            await connection.fetch(query("commit_to_disk"))
            return await connection.fetch(query(name, "waiting_messages.sql"), *arguments)

        result = await self._database.transact(change)
        if isinstance(result, Fault):
            raise result.as_error(Dependency.QUARANTINE)
        return {QuarantineId(row["id"]) for row in result}


def _waiting_message(row: asyncpg.Record) -> WaitingMessage:
    return WaitingMessage(
        entry_id=QuarantineId(row["id"]),
        reason=QuarantineReason(row["reason"]),
        device_id=row["device_id"],
        tenant_id=row["tenant_id"],
        size_bytes=row["size_bytes"],
        waited=row["waited"],
    )
