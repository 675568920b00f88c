"""`snapshot-ingest migrate`: brings the schema `snapshot_ingest` to this version."""

from rich.console import Console

from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import admin_connection, postgres_pool
from snapshot_ingest.operator.opening import LOOK_SECONDS
from snapshot_ingest.operator.pace import Pace
from snapshot_ingest.settings import Settings
from snapshot_postgres import Backfill, Filled
from snapshot_postgres import migrate as apply_migrations


async def migrate(settings: Settings, *, with_backend_tables: bool) -> None:
    """Applies what is due, with the credentials of `[admin.postgres]`, and says what that was.

    Until that has once come to its end, existing rows are then brought into the timelines.
    """
    async with admin_connection(settings.admin.postgres) as connection:
        applied = await apply_migrations(connection, with_backend_tables=with_backend_tables)
    console = Console()
    for name in applied:
        console.print(f"applied {name}", highlight=False)
    filled = await _fill(settings)
    if filled is not None:
        console.print(_said_of(filled), highlight=False, soft_wrap=True)
    elif not applied:
        console.print("nothing to do: the schema is up to date")


async def _fill(settings: Settings) -> Filled | None:
    """What came of it; None if there was nothing to do."""
    section = settings.admin.postgres
    async with postgres_pool("admin.postgres", section, command_seconds=LOOK_SECONDS) as pool:
        backfill = Backfill(pool, max_clock_ahead=settings.max_clock_ahead)
        if await backfill.was_finished():
            return None
        with Pace("existing rows", 0, None, SystemClock()) as pace:
            filled = await backfill.run(
                lambda so_far: pace.reached(so_far.rows, of=so_far.estimated or 0)
            )
    return filled if filled.seen else None


def _said_of(filled: Filled) -> str:
    estimated = "nothing" if filled.estimated is None else f"{filled.estimated:,}"
    return (
        f"existing rows: {filled.rows:,} of {filled.seen:,} came into the timelines, "
        f"those of {filled.tenants:,} tenants; the catalogue estimates {estimated}"
    )
