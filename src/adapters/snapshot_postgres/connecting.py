"""One connection for a task of administration, closed when the task ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from snapshot_domain.errors import Dependency
from snapshot_postgres.errors import DRIVER_ERRORS, fault_of
from snapshot_postgres.pool import Connection
from snapshot_postgres.sessions import connect

_CONNECT_TIMEOUT_SECONDS = 10.0
_COMMAND_TIMEOUT_SECONDS = 300.0
_CLOSE_TIMEOUT_SECONDS = 5.0


@asynccontextmanager
async def connected(dsn: str, *, password: str | None = None) -> AsyncIterator[Connection]:
    """A connection while the block runs.

    Raises `Unavailable` or `Misconfigured` where none can be had; what happens in the block is
    its own affair.
    """
    connection = await _connect(dsn, password)
    try:
        yield connection
    finally:
        await connection.close(timeout=_CLOSE_TIMEOUT_SECONDS)


async def _connect(dsn: str, password: str | None) -> Connection:
    try:
        connection: Connection = await connect(
            dsn,
            password=password,
            timeout=_CONNECT_TIMEOUT_SECONDS,
            command_timeout=_COMMAND_TIMEOUT_SECONDS,
        )
    except DRIVER_ERRORS as error:
        fault = fault_of(error)
    else:
        return connection
    raise fault.as_error(Dependency.REPOSITORY)
