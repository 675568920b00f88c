"""`snapshot-ingest migrate`: brings the schema `snapshot_ingest` to this version."""

from rich.console import Console

from snapshot_ingest.connections import admin_connection
from snapshot_ingest.settings import Settings
from snapshot_postgres import migrate as apply_migrations


async def migrate(settings: Settings, *, with_backend_tables: bool) -> None:
    """Applies what is due, with the credentials of `[admin.postgres]`, and says what that was."""
    async with admin_connection(settings.admin.postgres) as connection:
        applied = await apply_migrations(connection, with_backend_tables=with_backend_tables)
    console = Console()
    for name in applied:
        console.print(f"applied {name}", highlight=False)
    if not applied:
        console.print("nothing to do: the schema is up to date")
