"""TenantRows over the backend's table, with the reader's role."""

from collections.abc import Mapping, Sequence

import asyncpg

from snapshot_domain.errors import Dependency
from snapshot_domain.model import (
    Ciphertext,
    DataKeyId,
    DeviceId,
    Digest,
    SnapshotId,
    TenantId,
    WrappedKey,
)
from snapshot_domain.ports import TenantRow
from snapshot_postgres.database import Database
from snapshot_postgres.pool import Pool
from snapshot_postgres.sql import query

_PAGE_BYTES = 8 * 1024 * 1024


class PostgresTenantRows:
    """Sees the rows of one tenant at a time, as row-level security demands."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)

    async def ids(self, tenant_id: TenantId) -> Sequence[SnapshotId]:
        """See TenantRows."""
        rows = await self._database.ask(query("row_ids", "shredding.sql"), tenant_id)
        return [SnapshotId(row["snapshot_id"]) for row in rows]

    async def rows(self, tenant_id: TenantId, wanted: Sequence[SnapshotId]) -> Sequence[TenantRow]:
        """See TenantRows."""
        statement = query("rows", "shredding.sql")
        rows = await self._database.ask(statement, tenant_id, wanted, _PAGE_BYTES)
        named = [Ciphertext(row["ciphertext"]).data_key_id for row in rows]
        keys = await self._data_keys([key_id for key_id in named if key_id is not None])
        return [
            _tenant_row(tenant_id, row, keys.get(key_id) if key_id else None)
            for row, key_id in zip(rows, named, strict=True)
        ]

    async def _data_keys(self, named: Sequence[DataKeyId]) -> Mapping[DataKeyId, WrappedKey]:
        if not named:
            return {}
        rows = await self._database.ask(query("wrapped_keys", "stored_texts.sql"), named)
        found = [
            WrappedKey(
                DataKeyId(row["data_key_id"]), TenantId(row["tenant_id"]), row["wrapped_key"]
            )
            for row in rows
        ]
        return {key.key_id: key for key in found}


def _tenant_row(tenant_id: TenantId, row: asyncpg.Record, key: WrappedKey | None) -> TenantRow:
    return TenantRow(
        snapshot_id=SnapshotId(row["snapshot_id"]),
        device_id=DeviceId(row["device_id"]),
        tenant_id=tenant_id,
        digest=Digest(row["digest"].hex()) if row["digest"] is not None else None,
        ciphertext=Ciphertext(row["ciphertext"], key),
    )
