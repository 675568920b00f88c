"""QuarantineReview over the table of the quarantine."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import asyncpg

from snapshot_domain.delivery import Origin
from snapshot_domain.errors import Dependency
from snapshot_domain.model import Ciphertext
from snapshot_domain.ports import (
    QuarantinedMessage,
    QuarantineEntry,
    QuarantineId,
    QuarantineReason,
    QuarantineSelection,
    QuarantineState,
)
from snapshot_postgres.database import Database
from snapshot_postgres.errors import Fault
from snapshot_postgres.health import require_rights
from snapshot_postgres.pool import Pool, PooledConnection
from snapshot_postgres.quarantine import storable
from snapshot_postgres.sql import query

_RIGHTS = (
    ("snapshot_ingest.quarantine", "SELECT"),
    ("snapshot_ingest.quarantine", "UPDATE"),
)


class PostgresQuarantineReview:
    """Looks with the reader's role or the ingest role; only the latter may decide."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.QUARANTINE, acquire_timeout_seconds)

    async def newest(self, selection: QuarantineSelection, limit: int) -> Sequence[QuarantineEntry]:
        """See QuarantineReview."""
        rows = await self._database.ask(
            query("newest", "quarantine_review.sql"), *_asked(selection), limit
        )
        return [_entry(row) for row in rows]

    async def select(self, selection: QuarantineSelection) -> Sequence[QuarantineId]:
        """See QuarantineReview."""
        rows = await self._database.ask(
            query("select", "quarantine_review.sql"), *_asked(selection)
        )
        return [QuarantineId(row["id"]) for row in rows]

    async def entries(self, entry_ids: Sequence[QuarantineId]) -> Sequence[QuarantineEntry]:
        """See QuarantineReview."""
        rows = await self._database.ask(query("entries", "quarantine_review.sql"), entry_ids)
        return [_entry(row) for row in rows]

    async def messages(
        self, entry_ids: Sequence[QuarantineId]
    ) -> Mapping[QuarantineId, QuarantinedMessage]:
        """See QuarantineReview."""
        rows = await self._database.ask(query("messages", "quarantine_review.sql"), entry_ids)
        return {QuarantineId(row["id"]): _message(row) for row in rows}

    async def mark_replayed(self, entry_ids: Sequence[QuarantineId]) -> None:
        """See QuarantineReview."""
        await self._put_aside(entry_ids, QuarantineState.REPLAYED)

    async def drop(self, entry_ids: Sequence[QuarantineId]) -> AbstractSet[QuarantineId]:
        """See QuarantineReview."""
        return await self._put_aside(entry_ids, QuarantineState.DROPPED)

    async def forget(self, floor: Origin) -> None:
        """See QuarantineReview."""
        await self._database.ask(
            query("forget", "quarantine_review.sql"),
            storable(floor.stream),
            floor.stream_created_at,
            floor.sequence,
        )

    async def check(self) -> None:
        """Returns if messages can be looked at and decided on."""
        await require_rights(self._database, _RIGHTS)

    async def _put_aside(
        self, entry_ids: Sequence[QuarantineId], state: QuarantineState
    ) -> AbstractSet[QuarantineId]:
        async def put_aside(connection: PooledConnection) -> list[asyncpg.Record]:
            await connection.fetch(query("commit_to_disk"))
            return await connection.fetch(
                query("put_aside", "quarantine_review.sql"), entry_ids, state.value
            )

        result = await self._database.transact(put_aside)
        if isinstance(result, Fault):
            raise result.as_error(Dependency.QUARANTINE)
        return {QuarantineId(row["id"]) for row in result}


def _asked(selection: QuarantineSelection) -> list[object]:
    reason = selection.reason.value if selection.reason else None
    return [reason, selection.tenant_id, selection.device_id, selection.waiting]


def _entry(row: asyncpg.Record) -> QuarantineEntry:
    return QuarantineEntry(
        entry_id=QuarantineId(row["id"]),
        state=QuarantineState(row["state"]),
        origin=_origin(row),
        subject=row["subject"],
        received_at=row["received_at"],
        reason=QuarantineReason(row["reason"]),
        detail=row["detail"],
        waiting=row["waiting"],
        device_id=row["device_id"],
        tenant_id=row["tenant_id"],
        size_bytes=row["size_bytes"],
    )


def _message(row: asyncpg.Record) -> QuarantinedMessage:
    return QuarantinedMessage(
        origin=_origin(row),
        subject=row["subject"],
        received_at=row["received_at"],
        reason=QuarantineReason(row["reason"]),
        detail=row["detail"],
        waiting=row["waiting"],
        device_id=row["device_id"],
        tenant_id=row["tenant_id"],
        size_bytes=row["size_bytes"],
        ciphertext=Ciphertext(row["ciphertext"]),
    )


def _origin(row: asyncpg.Record) -> Origin:
    return Origin(row["stream"], row["stream_created_at"], row["sequence"])
