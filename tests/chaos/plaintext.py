"""Searches everything that the run left on disk for the secret that each message held."""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from chaos.world import World
from snapshot_postgres import connected
from support.canary import Canary

_TABLES_SQL = """
    SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE schemaname IN ('public', 'snapshot_ingest')
"""


def plain_canary() -> Canary:
    """A secret of letters and digits alone, which no quoting of what was quoted already hides."""
    return Canary(f"canary-{uuid4().hex}")


async def files_with_plaintext(world: World, canary: Canary) -> Sequence[Path]:
    """The files below the world's folder that hold it in any form, relative to that.

    Data directories, write-ahead log, every server's and worker's log, OpenBao's audit log and
    storage, the NATS store (encrypted at rest); and the tables as text, because what PostgreSQL
    compresses it would hide from the search.
    """
    await _dump_tables(world)
    return [path.relative_to(world.folder) for path in canary.files_with_it([world.folder])]


async def _dump_tables(world: World) -> None:
    folder = world.folder / "tables"
    folder.mkdir()
    async with connected(world.stack.addresses.postgres_admin_dsn) as connection:
        for row in await connection.fetch(_TABLES_SQL):
            name: str = row[0]
            await connection.copy_from_query(
                f"SELECT each::text FROM {name} AS each", output=folder / f"{name}.txt"
            )
