"""Reading stored snapshots back, with the reader's role: ciphertext only."""

from datetime import datetime

import asyncpg
from attrs import evolve, frozen

from snapshot_domain.errors import Dependency
from snapshot_domain.model import (
    Ciphertext,
    DeviceId,
    Digest,
    SnapshotFlag,
    SnapshotId,
    TenantId,
    WrappedKey,
)
from snapshot_postgres.database import Database
from snapshot_postgres.pool import Pool
from snapshot_postgres.sql import query


@frozen
class StoredSnapshot:
    """A run with its row: the device had this text from `collected_at` to `last_seen`."""

    snapshot_id: SnapshotId
    device_id: DeviceId
    tenant_id: TenantId
    digest: Digest
    ciphertext: Ciphertext
    collected_at: datetime
    sequence: int
    last_seen: datetime
    flags: SnapshotFlag


class PostgresSnapshotReader:
    """Finds a snapshot by its id, or a device's newest.

    Every method raises `Unavailable` or `Misconfigured`.
    """

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)

    async def snapshot(self, snapshot_id: SnapshotId) -> StoredSnapshot | None:
        """The snapshot with this id; None if there is none, or its row was deleted."""
        rows = await self._database.ask(query("snapshot_by_id"), snapshot_id)
        return await self._with_data_key(_stored_snapshot(rows[0])) if rows else None

    async def newest_of(self, device_id: DeviceId) -> StoredSnapshot | None:
        """The device's newest snapshot whose row still exists, None if there is none."""
        rows = await self._database.ask(query("newest_snapshot"), device_id)
        return await self._with_data_key(_stored_snapshot(rows[0])) if rows else None

    async def _with_data_key(self, stored: StoredSnapshot) -> StoredSnapshot:
        """With the wrapped key that its text names, if it names one that is there."""
        key_id = stored.ciphertext.data_key_id
        rows = await self._database.ask(query("wrapped_key"), key_id) if key_id else []
        if key_id is None or not rows:
            return stored
        key = WrappedKey(key_id, TenantId(rows[0]["tenant_id"]), rows[0]["wrapped_key"])
        return evolve(stored, ciphertext=evolve(stored.ciphertext, wrapped_key=key))


def _stored_snapshot(row: asyncpg.Record) -> StoredSnapshot:
    return StoredSnapshot(
        snapshot_id=SnapshotId(row["snapshot_id"]),
        device_id=DeviceId(row["device_id"]),
        tenant_id=TenantId(row["tenant_id"]),
        digest=Digest(row["digest"].hex()),
        ciphertext=Ciphertext(row["ciphertext"]),
        collected_at=row["collected_at"],
        sequence=row["sequence"],
        last_seen=row["last_seen"],
        flags=SnapshotFlag(row["flags"]),
    )
