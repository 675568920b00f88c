"""The backend's own database: another role owns its tables, its former subscriber wrote rows."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise
from uuid import UUID, uuid4

from attrs import frozen

from snapshot_conformance.repository_world import Story
from snapshot_domain.model import DeviceId, SnapshotId, TenantId
from snapshot_postgres import Backfill, Pool, connected, grant_ingest_role, migrate, open_pool
from snapshot_postgres.sql import script
from support.postgres import INGEST_PASSWORD, Database, PostgresWorld, fresh_database

PASSWORD = "guards-nothing"

_ROW = """
    INSERT INTO router_config_snapshots
        (device_id, tenant_id, config_text, sha256_hash, collected_at, created_at, id)
    VALUES ($1, $2, $3, $4, $5::timestamptz, coalesce($6::timestamptz, $5::timestamptz), $7)
    RETURNING id
"""

_UNKNOWN_ROWS = """
    SELECT count(*) FROM router_config_snapshots AS r
    WHERE NOT EXISTS (SELECT FROM snapshot_ingest.snapshots AS run WHERE run.snapshot_id = r.id)
"""


def transit_text(text: str) -> str:
    """What stands for the text's ciphertext: as long as Transit's would be."""
    sealed = bytes(12) + text.encode() + bytes(16)
    return f"vault:v1:{base64.b64encode(sealed).decode()}"


@frozen(kw_only=True)
class BackendWorld(PostgresWorld):
    """The ingest role's adapters, and beside them the owner of the backend's tables."""

    owner: str
    owning: Pool

    @property
    def backfill(self) -> Backfill:
        """One that works as the tables' owner, a row or two at a time."""
        return Backfill(self.owning, rows_at_once=2)

    async def former_row(
        self,
        story: Story,
        text: str,
        hour: float,
        *,
        tenant: TenantId | None = None,
        digest: str | None = None,
        created_at: datetime | None = None,
        row_id: UUID | None = None,
    ) -> SnapshotId:
        """A row as the former subscriber wrote it, as a superuser; it knew of no sequence."""
        made: UUID = await self.admin.fetchval(
            _ROW,
            story.device,
            story.tenant if tenant is None else tenant,
            transit_text(text),
            hashlib.sha256(text.encode()).hexdigest() if digest is None else digest,
            story.at(hour)[0],
            created_at,
            row_id or uuid4(),
        )
        return SnapshotId(made)

    async def timelines(self) -> list[tuple[object, ...]]:
        """All that is kept of all timelines."""
        runs = await self.admin.fetch("SELECT * FROM snapshot_ingest.snapshots ORDER BY 1")
        heads = await self.admin.fetch("SELECT * FROM snapshot_ingest.heads ORDER BY 1")
        return [tuple(row) for row in (*runs, *heads)]

    async def assert_consistent(self) -> None:
        """Every row has a run, heads point at the newest runs, and no two runs overlap."""
        assert await self.admin.fetchval(_UNKNOWN_ROWS) == 0
        devices = await self.admin.fetch("SELECT DISTINCT device_id FROM snapshot_ingest.snapshots")
        for row in devices:
            runs = await self.runs(DeviceId(row["device_id"]))
            for run, following in pairwise(runs):
                assert run.start <= run.end <= following.start


@asynccontextmanager
async def backend_database(cluster_dsn: str) -> AsyncIterator[tuple[Database, str]]:
    """A database with the backend's tables alone, and the ordinary role that owns them."""
    async with fresh_database(cluster_dsn) as database:
        owner, admin = f"owner_{database.name}", database.admin
        if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = 'app_user'"):
            await admin.execute("CREATE ROLE app_user NOLOGIN")
        await admin.execute(f"CREATE ROLE {owner} LOGIN PASSWORD '{PASSWORD}'")
        await admin.execute(f"GRANT CREATE ON DATABASE {database.name} TO {owner}")
        await admin.execute(f"GRANT CREATE ON SCHEMA public TO {owner}")
        async with connected(database.dsn_of(owner), password=PASSWORD) as connection:
            await connection.execute(script("backend_tables.sql"))
        yield database, owner
        await admin.execute(f"DROP OWNED BY {owner}")
        await admin.execute(f"DROP ROLE {owner}")


@asynccontextmanager
async def backend_world(cluster_dsn: str) -> AsyncIterator[BackendWorld]:
    """The same, migrated by the owner, with an ingest role."""
    async with backend_database(cluster_dsn) as (database, owner):
        role = database.ingest_role
        async with connected(database.dsn_of(owner), password=PASSWORD) as connection:
            await migrate(connection)
        async with database.admin.acquire(timeout=10) as connection:
            await grant_ingest_role(connection, role, INGEST_PASSWORD)
        async with (
            await open_pool(database.dsn_of(role), password=INGEST_PASSWORD) as pool,
            await open_pool(database.dsn_of(owner), password=PASSWORD) as owning,
        ):
            yield BackendWorld(database, pool, owner=owner, owning=owning)
        await database.admin.execute(f"DROP OWNED BY {role}")
        await database.admin.execute(f"DROP ROLE {role}")
