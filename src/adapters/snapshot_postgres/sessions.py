"""How a connection is made, be there a pooler in between or not.

A pooler in transaction mode gives each transaction another session. There a statement that was
prepared before is unknown or, worse, another process's of the same name, which answers something
else. So behind a pooler no prepared statement is kept.
"""

import asyncio
from typing import Any

import asyncpg

from snapshot_postgres.errors import DRIVER_ERRORS
from snapshot_postgres.sql import query


async def connect(
    dsn: str | None = None,
    *,
    timeout: float = 10.0,
    statement_cache_size: int = 100,
    **keywords: Any,
) -> Any:  # as a pool of asyncpg wants it, whatever its class of records
    """A connection as `asyncpg.connect` makes it; behind a pooler one that keeps no statements.

    To find out takes a round trip. `timeout` is in seconds. Raises what the driver raises.
    """
    connection = await asyncpg.connect(
        dsn, timeout=timeout, statement_cache_size=statement_cache_size, **keywords
    )
    if statement_cache_size == 0 or await _is_direct(connection, timeout):
        return connection
    await connection.close(timeout=timeout)
    return await asyncpg.connect(dsn, timeout=timeout, statement_cache_size=0, **keywords)


async def _is_direct(connection: "asyncpg.Connection[asyncpg.Record]", timeout: float) -> bool:
    """A pooler tells of a session that is none of the server's."""
    question = query("is_direct", "connecting.sql").format(pid=connection.get_server_pid())
    try:
        return await connection.execute(question, timeout=timeout) == "SELECT 1"
    except (*DRIVER_ERRORS, asyncio.CancelledError):
        connection.terminate()
        raise
