"""Searches everything that the run left on disk for the secret that each message held."""

from collections.abc import Sequence
from pathlib import Path

from chaos.world import World
from snapshot_conformance.secret_canary import SecretCanary
from snapshot_conformance.secret_canary_files import files_with
from snapshot_postgres import connected

_TABLES_SQL = """
    SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE schemaname IN ('public', 'snapshot_ingest')
"""


async def files_with_plaintext(world: World, canary: SecretCanary) -> Sequence[Path]:
    """The files below the world's folder that hold it in any form, relative to that.

    Data directories, write-ahead log, every server's and worker's log, OpenBao's audit log and
    storage, the NATS store (encrypted at rest); and the tables as text, because what PostgreSQL
    compresses it would hide from the search.
    """
    await _dump_tables(world)
    return [path.relative_to(world.folder) for path in files_with(canary, [world.folder])]


async def _dump_tables(world: World) -> None:
    folder = world.folder / "tables"
    folder.mkdir()
    async with connected(world.stack.addresses.postgres_admin_dsn) as connection:
        for row in await connection.fetch(_TABLES_SQL):
            name: str = row[0]
            await connection.copy_from_query(
                f"SELECT each::text FROM {name} AS each", output=folder / f"{name}.txt"
            )
