"""`snapshot-ingest migrate` on a database in which the backend has been at work for long."""

from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGKILL
from uuid import uuid4

import pytest
from attrs import frozen

from snapshot_ingest.stack import EmbeddedStack
from support.backend_database import PASSWORD, backend_database, transit_text
from support.command import finished, running
from support.postgres import Database

_ROWS = 5


@frozen
class Backend:
    """Its database, and a settings file for whoever owns its tables."""

    database: Database
    settings_file: Path

    async def migrate(self) -> list[str]:
        """Runs the command to its end, and returns what it printed."""
        folder = self.settings_file.parent
        code, command = await finished("--config", self.settings_file, "migrate", folder=folder)
        assert code == 0, command.stderr
        return command.stdout.decode().splitlines()

    async def runs(self) -> int:
        """How many runs there are."""
        found: int = await self.database.admin.fetchval(
            "SELECT count(*) FROM snapshot_ingest.snapshots"
        )
        return found


@pytest.fixture
async def backend(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[Backend]:
    """A few rows of one device; the catalogue knows how many."""
    async with backend_database(stack.addresses.postgres_admin_dsn) as (database, owner):
        settings_file = tmp_path / "settings.toml"
        settings_file.write_text(
            f'[admin.postgres]\ndsn = "{database.dsn_of(owner)}"\npassword = "{PASSWORD}"\n'
        )
        tenant, device = uuid4(), uuid4()
        await database.admin.execute("INSERT INTO tenants VALUES ($1, 'acme')", tenant)
        await database.admin.execute(
            "INSERT INTO devices VALUES ($1, $2, 'r', 'r')", device, tenant
        )
        await database.admin.executemany(
            "INSERT INTO router_config_snapshots"
            " (device_id, tenant_id, config_text, sha256_hash) VALUES ($1, $2, $3, $4)",
            [(device, tenant, transit_text("A"), "a" * 64)] * _ROWS,
        )
        await database.admin.execute("ANALYZE router_config_snapshots")
        yield Backend(database, settings_file)


async def test_the_first_time_it_brings_existing_rows_into_the_timelines(backend: Backend) -> None:
    *applied, last = await backend.migrate()
    assert all(line.startswith("applied ") for line in applied)
    assert last == (
        "existing rows: 5 of 5 came into the timelines, those of 1 tenants; "
        "the catalogue estimates 5"
    )
    assert await backend.runs() == _ROWS
    assert await backend.migrate() == ["nothing to do: the schema is up to date"]


async def test_it_goes_on_where_it_was_killed(backend: Backend) -> None:
    config = ("--config", backend.settings_file)
    async with backend.database.admin.acquire(timeout=10) as session, session.transaction():
        await session.execute("LOCK TABLE devices IN ACCESS EXCLUSIVE MODE")
        async with running(*config, "migrate", folder=backend.settings_file.parent) as command:
            while not await session.fetchval(
                "SELECT count(*) FROM pg_locks WHERE relation = 'devices'::regclass AND NOT granted"
            ):
                assert not command.has_ended, command.stderr
            command.signal_group(SIGKILL)
            await command.ended()
    assert await backend.runs() == 0
    [last] = await backend.migrate()
    assert "5 of 5" in last
    assert await backend.runs() == _ROWS


async def test_rows_that_it_cannot_see_end_it_with_what_to_do(backend: Backend) -> None:
    await backend.database.admin.execute("ALTER POLICY tenant_isolation ON tenants USING (false)")
    code, command = await finished(
        *("--config", backend.settings_file), "migrate", folder=backend.settings_file.parent
    )
    assert code == 1
    assert "not one row of public.router_config_snapshots is visible" in command.stderr
    assert "check the row-level security policies" in command.stderr
