"""Connections and poolers: none of ours is answered by another process's statement.

A pooler in transaction mode gives each transaction another session. There a statement that was
prepared before is unknown or, worse, another process's of the same name, which answers something
else. So behind a pooler no prepared statement is kept, and a host's pool that does is refused. One
whose connections give a type another form is refused too: a device whose id comes back as text is
known to nobody.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_postgres.errors import DRIVER_ERRORS
from snapshot_postgres.sql import query

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection  # generic in its stubs alone

_OF_EACH_TYPE = (
    UUID(int=1),
    [UUID(int=1)],
    b"\x01",
    [b"\x01"],
    "a",
    ["a"],
    True,
    [True],
    2**31 - 1,
    2**53 + 1,
    [2**53 + 1],
    datetime(2026, 4, 2, tzinfo=UTC),
    [datetime(2026, 4, 2, tzinfo=UTC)],
    timedelta(seconds=1),
)
"""What `plain_types` is asked with. A float in place of the large number is another one."""


class Session(_Connection):
    """A connection that was made here, so that nobody need look at it again."""

    __slots__ = ()
    is_ours = True


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
    keywords["connection_class"] = Session
    connection = await asyncpg.connect(
        dsn, timeout=timeout, statement_cache_size=statement_cache_size, **keywords
    )
    if statement_cache_size == 0:
        return connection
    try:
        if await _is_direct(connection, timeout):
            return connection
    except (*DRIVER_ERRORS, asyncio.CancelledError):
        connection.terminate()
        raise
    await connection.close(timeout=timeout)
    return await asyncpg.connect(dsn, timeout=timeout, statement_cache_size=0, **keywords)


def is_ours(connection: object) -> bool:
    """Whether it was made here, or comes from a pool that was handed in."""
    return bool(getattr(connection, "is_ours", False))


async def require_usable(connection: Any, dependency: Dependency) -> None:
    """Raises `Misconfigured` if a host's connection would give wrong answers.

    One that keeps prepared statements behind a pooler would, and one whose `init` or `setup`
    gives a type another form. Raises besides what the driver raises.
    """
    async with connection.transaction():
        await _require_own_statements(connection, dependency)
        has_plain_types = await _has_plain_types(connection)
    if not has_plain_types:
        raise Misconfigured(
            dependency,
            "the pool that was handed in gives PostgreSQL's types other forms",
            expected="those of asyncpg",
            next_step="hand in a pool whose init and setup set no codec for uuid, bytea, text, "
            "numbers or times",
        )


async def _has_plain_types(connection: Any) -> bool:
    """Whether a value of each type that we use goes to the server and comes back as it is."""
    try:
        answer = await connection.fetchrow(query("plain_types", "connecting.sql"), *_OF_EACH_TYPE)
    except (asyncpg.DataError, ValueError, TypeError, AttributeError):
        return False  # the host's codec was given what it does not take
    return tuple(answer.values()) == _OF_EACH_TYPE


async def _require_own_statements(connection: Any, dependency: Dependency) -> None:
    if await _is_direct(connection, None):
        return
    question = query("keeps_statements", "connecting.sql")
    if await connection.fetchval(question.format(pid=connection.get_server_pid())):
        raise Misconfigured(
            dependency,
            "the pool that was handed in keeps prepared statements behind a pooler, where they "
            "answer other processes",
            next_step="open it with statement_cache_size=0",
        )


async def _is_direct(connection: Any, timeout: float | None) -> bool:
    """A pooler tells of a session that is none of the server's."""
    question = query("is_direct", "connecting.sql").format(pid=connection.get_server_pid())
    return bool(await connection.execute(question, timeout=timeout) == "SELECT 1")
