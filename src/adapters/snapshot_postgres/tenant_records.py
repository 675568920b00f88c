"""TenantRecords over our own schema, with the operator's role."""

from collections.abc import AsyncIterator

import asyncpg

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_domain.model import TenantId
from snapshot_domain.ports import Records
from snapshot_postgres.database import Database
from snapshot_postgres.errors import Fault
from snapshot_postgres.health import APPLIED_MIGRATIONS, require_migrations, require_rights
from snapshot_postgres.pool import Pool, PooledConnection
from snapshot_postgres.sql import query

_DEVICES_A_PAGE = 200
_MESSAGES_A_PAGE = 500
_RIGHTS = (
    ("snapshot_ingest.heads", "UPDATE"),
    ("snapshot_ingest.heads", "DELETE"),
    ("snapshot_ingest.snapshots", "DELETE"),
    ("snapshot_ingest.data_keys", "DELETE"),
    ("snapshot_ingest.shredded_tenants", "INSERT"),
    ("snapshot_ingest.shredded_tenants", "UPDATE"),
    APPLIED_MIGRATIONS,
)


class PostgresTenantRecords:
    """Erases in small transactions, each on disk before the next."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)

    async def kept(self, tenant_id: TenantId) -> Records:
        """See TenantRecords."""
        [row] = await self._database.ask(query("kept", "shredding.sql"), tenant_id)
        return Records(**row)

    async def erase(self, tenant_id: TenantId) -> AsyncIterator[Records]:
        """See TenantRecords."""
        # Before the devices are looked for: a backfill adds nothing more of the tenant.
        await self._on_disk(query("mark", "shredding.sql"), tenant_id)
        rows = await self._database.ask(query("devices", "shredding.sql"), tenant_id)
        devices = [row["device_id"] for row in rows]
        for first in range(0, len(devices), _DEVICES_A_PAGE):
            page = devices[first : first + _DEVICES_A_PAGE]
            statement = query("erase_timelines", "shredding.sql")
            [erased] = await self._database.ask(statement, tenant_id, page)
            yield Records(heads=erased["heads"], runs=erased["runs"])
        keys = await self._on_disk(query("erase_data_keys", "shredding.sql"), tenant_id)
        yield Records(data_keys=len(keys))
        statement = query("erase_quarantined", "shredding.sql")
        while messages := await self._on_disk(statement, tenant_id, _MESSAGES_A_PAGE):
            yield Records(quarantined=len(messages))

    async def unattributed(self) -> int:
        """See TenantRecords."""
        [row] = await self._database.ask(query("unattributed", "shredding.sql"))
        return int(row["messages"])

    async def check(self) -> None:
        """See TenantRecords."""
        await require_rights(self._database, _RIGHTS, role="operator")
        await require_migrations(self._database)
        [row] = await self._database.ask(query("may_erase", "shredding.sql"))
        if not row["may"]:
            raise Misconfigured(
                Dependency.REPOSITORY,
                "the role lacks UPDATE (state, ciphertext) on snapshot_ingest.quarantine",
                next_step="have the tables' owner run deploy/postgres/operator.sql once more",
            )

    async def _on_disk(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        async def erase(connection: PooledConnection) -> list[asyncpg.Record]:
            await connection.fetch(query("commit_to_disk"))
            return await connection.fetch(statement, *arguments)

        result = await self._database.transact(erase)
        if isinstance(result, Fault):
            raise result.as_error(Dependency.REPOSITORY)
        return result
