"""StoredSnapshots over our own table of runs, which carries the transaction of each."""

import asyncpg

from snapshot_domain.errors import Dependency
from snapshot_domain.model import (
    DeviceId,
    Digest,
    DigestKeyId,
    SnapshotId,
    SnapshotKey,
    StoredPosition,
    TenantId,
)
from snapshot_domain.ports import SnapshotNotice, StoredPage
from snapshot_postgres.batch import snapshot_id_of
from snapshot_postgres.database import Database
from snapshot_postgres.pool import Pool
from snapshot_postgres.sql import query


class PostgresStoredSnapshots:
    """One statement a page (migrations/0019_positions.sql); no row of the backend's is read."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)

    async def since(self, position: StoredPosition, limit: int) -> StoredPage:
        """See StoredSnapshots."""
        rows = await self._database.ask(query("stored_since"), str(position), limit)
        notices = [_notice(row) for row in rows if row["snapshot_id"] is not None]
        if len(notices) >= limit:
            return StoredPage(notices, read_to=notices[-1].position)
        oldest_running = StoredPosition.parse(rows[0]["oldest_running"])
        return StoredPage(notices, read_to=oldest_running.before)


def _notice(row: asyncpg.Record) -> SnapshotNotice:
    digest_key = row["digest_key"]
    return SnapshotNotice(
        key=SnapshotKey(
            DeviceId(row["device_id"]),
            TenantId(row["tenant_id"]),
            row["collected_at"],
            row["sequence"],
            Digest(row["digest"].hex()),
        ),
        snapshot_id=SnapshotId(row["snapshot_id"]),
        previous_id=snapshot_id_of(row["previous_id"]),
        next_id=snapshot_id_of(row["next_id"]),
        position=StoredPosition.parse(row["stored_in"]),
        plaintext_bytes=row["plaintext_bytes"],
        stored_bytes=row["stored_bytes"],
        format=row["format"],
        digest_key_id=None if digest_key is None else DigestKeyId(digest_key),
    )
