"""What is in the backend's table, as the superuser sees it."""

from collections import Counter

import asyncpg

_SECONDS = 10.0


async def rows_by_device_count(dsn: str) -> Counter[int]:
    """How many devices have how many rows."""
    connection = await asyncpg.connect(dsn, timeout=_SECONDS)
    try:
        found = await connection.fetch(
            "SELECT count(*) FROM router_config_snapshots GROUP BY device_id"
        )
    finally:
        await connection.close()
    return Counter(row[0] for row in found)
