"""Every table as text, because what PostgreSQL compresses it would hide from a search."""

from pathlib import Path

from snapshot_postgres import connected

_TABLES_SQL = """
    SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE schemaname IN ('public', 'snapshot_ingest')
"""


async def dump_tables(dsn: str, folder: Path) -> None:
    """Writes each table of the backend's schema and ours into a file of the folder."""
    async with connected(dsn) as connection:
        for row in await connection.fetch(_TABLES_SQL):
            name: str = row[0]
            await connection.copy_from_query(
                f"SELECT each::text FROM {name} AS each", output=folder / f"{name}.txt"
            )
