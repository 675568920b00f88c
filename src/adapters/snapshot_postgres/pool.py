"""Opening a pool of connections, with a bound on everything that waits."""

from typing import TypeAlias

import asyncpg
import asyncpg.pool

from snapshot_domain.errors import Dependency
from snapshot_postgres.errors import DRIVER_ERRORS, fault_of
from snapshot_postgres.sessions import connect

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
PooledConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PooledConnection"


async def _as_it_is(connection: Connection) -> None:
    """Nothing to reset: all that the adapters set lasts for a transaction.

    asyncpg's own way is another round trip after each use.
    """


async def open_pool(
    dsn: str,
    *,
    password: str | None = None,
    application_name: str = "snapshot-ingest",
    min_size: int = 0,
    max_size: int = 8,
    connect_timeout_seconds: float = 5.0,
    command_timeout_seconds: float = 30.0,
    statement_cache_size: int = 100,
) -> Pool:
    """A pool for the adapters of this package; whoever opens it closes it.

    With `min_size` 0 nothing is connected yet, so that a worker starts also while the
    database is down; what is wrong then shows at the first use. Behind a pooler, which is found
    out, `statement_cache_size` is 0. With a larger `min_size` it raises `Misconfigured` or
    `Unavailable` where a first connection fails.
    """
    try:
        return await asyncpg.create_pool(
            dsn,
            password=password,
            min_size=min_size,
            max_size=max_size,
            timeout=connect_timeout_seconds,
            command_timeout=command_timeout_seconds,
            statement_cache_size=statement_cache_size,
            server_settings={"application_name": application_name},
            reset=_as_it_is,
            connect=connect,
        )
    except DRIVER_ERRORS as error:
        fault = fault_of(error)
    raise fault.as_error(Dependency.REPOSITORY)
