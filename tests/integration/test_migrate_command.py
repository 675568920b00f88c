"""`snapshot-ingest migrate` on a database in which the backend has been at work for long."""

from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGKILL

import pytest

from snapshot_ingest.stack import EmbeddedStack
from support.backend_commands import Backend, backend_with_rows
from support.command import running

_RUNS = "snapshot_ingest.snapshots"


@pytest.fixture
async def backend(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[Backend]:
    dsn = stack.addresses.postgres_admin_dsn
    async with backend_with_rows(dsn, tmp_path, "AABCA") as backend:
        yield backend


async def test_the_first_time_it_brings_existing_rows_into_the_timelines(backend: Backend) -> None:
    *applied, last = await backend.succeeds("migrate")
    assert all(line.startswith("applied ") for line in applied)
    assert last == (
        "existing rows: 5 of 5 came into the timelines, those of 1 tenants; "
        "the catalogue estimates 5"
    )
    assert await backend.count(_RUNS) == 5
    assert await backend.succeeds("migrate") == ["nothing to do: the schema is up to date"]


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
    assert await backend.count(_RUNS) == 0
    [last] = await backend.succeeds("migrate")
    assert "5 of 5" in last
    assert await backend.count(_RUNS) == 5


async def test_rows_that_it_cannot_see_end_it_with_what_to_do(backend: Backend) -> None:
    await backend.database.admin.execute("ALTER POLICY tenant_isolation ON tenants USING (false)")
    said = await backend.fails("migrate")
    assert "not one row of public.router_config_snapshots is visible" in said
    assert "check the row-level security policies" in said


async def test_a_time_ahead_is_believed_as_far_as_a_messages_is(backend: Backend) -> None:
    """Or a message that comes again would have another time than its row, and be stored again."""
    text = backend.settings_file.read_text()
    backend.settings_file.write_text(f'max_clock_ahead = "2h"\n{text}')
    await backend.database.admin.execute(
        "UPDATE router_config_snapshots SET collected_at = created_at + interval '1 hour'"
    )
    await backend.succeeds("migrate")
    assert await backend.count(f"{_RUNS} WHERE collected_at > now() + interval '30 min'") == 5
