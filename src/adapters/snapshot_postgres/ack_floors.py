"""AckFloors over a table of our own schema."""

import asyncpg

from snapshot_domain.errors import Dependency
from snapshot_domain.ports import Floor
from snapshot_postgres.database import Database
from snapshot_postgres.errors import Fault
from snapshot_postgres.pool import Pool, PooledConnection
from snapshot_postgres.sql import query


class PostgresAckFloors:
    """A row for each consumer, which is locked while it is compared and replaced."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)

    async def load(self, stream: str, consumer: str) -> Floor | None:
        """See AckFloors."""
        rows = await self._database.ask(query("floor"), stream, consumer)
        return _floor(rows[0]) if rows else None

    async def keep(self, floor: Floor, known: Floor | None) -> bool:
        """See AckFloors."""
        result = await self._database.transact(
            lambda connection: keep_floor(connection, floor, known)
        )
        if isinstance(result, Fault):
            raise result.as_error(Dependency.REPOSITORY)
        return result


async def keep_floor(connection: PooledConnection, floor: Floor, known: Floor | None) -> bool:
    """The same within a transaction; the row is locked until it ends."""
    await connection.fetch(query("commit_to_disk"))
    if known is None:
        return bool(await connection.fetchval(query("first_floor"), *_columns(floor)))
    row = await connection.fetchrow(query("floor_to_replace"), floor.stream, floor.consumer)
    if row is None or _floor(row) != known:
        return False
    await connection.execute(query("replace_floor"), *_columns(floor.over(known)))
    return True


def _columns(floor: Floor) -> tuple[object, ...]:
    return (
        floor.stream,
        floor.consumer,
        floor.stream_created_at,
        floor.consumer_created_at,
        floor.sequence,
        floor.delivered_sequence,
        floor.deliveries,
        floor.pending,
        floor.first_sequence,
        floor.last_sequence,
        floor.at,
    )


def _floor(row: asyncpg.Record) -> Floor:
    return Floor(
        stream=row["stream"],
        consumer=row["consumer"],
        stream_created_at=row["stream_created_at"],
        consumer_created_at=row["consumer_created_at"],
        sequence=row["sequence"],
        delivered_sequence=row["delivered_sequence"],
        deliveries=row["deliveries"],
        pending=row["pending"],
        first_sequence=row["first_sequence"],
        last_sequence=row["last_sequence"],
        at=row["at"],
    )
