"""TenantRows over the backend's table, with the reader's role."""

from collections.abc import Sequence

import asyncpg

from snapshot_domain.errors import Dependency
from snapshot_domain.model import (
    Ciphertext,
    DeviceId,
    Digest,
    SnapshotId,
    TenantId,
)
from snapshot_domain.ports import TenantRow
from snapshot_postgres.database import Database
from snapshot_postgres.pool import Pool
from snapshot_postgres.sql import query
from snapshot_postgres.texts import with_wrapped_keys

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
        texts = await with_wrapped_keys(
            self._database, [Ciphertext(row["ciphertext"]) for row in rows]
        )
        return [_tenant_row(tenant_id, row, text) for row, text in zip(rows, texts, strict=True)]


def _tenant_row(tenant_id: TenantId, row: asyncpg.Record, ciphertext: Ciphertext) -> TenantRow:
    return TenantRow(
        snapshot_id=SnapshotId(row["snapshot_id"]),
        device_id=DeviceId(row["device_id"]),
        tenant_id=tenant_id,
        digest=Digest(row["digest"].hex()) if row["digest"] is not None else None,
        ciphertext=ciphertext,
    )
