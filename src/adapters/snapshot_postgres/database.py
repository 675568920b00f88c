"""Work on a pool: bounded in time, repeated where that helps, its faults as values."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
from attrs import field, frozen

from snapshot_domain.errors import Dependency
from snapshot_domain.tasks import is_being_cancelled
from snapshot_postgres.errors import DRIVER_ERRORS, Fault, FaultKind, fault_of
from snapshot_postgres.pool import Pool, PooledConnection
from snapshot_postgres.sessions import is_ours, require_usable

T = TypeVar("T")

_REPETITIONS = 3
_FIRST_PAUSE_SECONDS = 0.02
_SESSIONS_REMEMBERED = 1_000


@frozen
class Database:
    """A pool as one adapter uses it. Commands are bounded by the pool's own timeout."""

    pool: Pool
    dependency: Dependency
    acquire_timeout_seconds: float = 10.0
    _looked_at: set[int] = field(factory=set, init=False, repr=False, eq=False)
    """The sessions of a pool that was handed in, by what their connections call them."""

    async def transact(self, work: Callable[[PooledConnection], Awaitable[T]]) -> T | Fault:
        """What `work` returns, after its commit; or the fault that undid it.

        Somebody in the way (deadlock, serialization, lock timeout) repeats the transaction up
        to three times. After a lost connection it is not known whether it was committed.
        """

        async def committed(connection: PooledConnection) -> T:
            async with connection.transaction(isolation="read_committed"):
                return await _unless_cancelled(connection, work)

        return await self.at_once(committed)

    async def ask(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows that one statement returns, in one round trip.

        Raises `Unavailable` or `Misconfigured`.
        """
        result = await self.at_once(lambda connection: connection.fetch(query, *arguments))
        if isinstance(result, Fault):
            raise result.as_error(self.dependency)
        return result

    async def at_once(self, work: Callable[[PooledConnection], Awaitable[T]]) -> T | Fault:
        """The same without a BEGIN: for one statement, which is a transaction by itself."""
        for repetition in range(_REPETITIONS):
            result = await self._once(work)
            if not isinstance(result, Fault) or result.kind is not FaultKind.REPEATABLE:
                return result
            await asyncio.sleep(_pause_seconds(repetition))
        return await self._once(work)

    async def _once(self, work: Callable[[PooledConnection], Awaitable[T]]) -> T | Fault:
        try:
            async with self.pool.acquire(timeout=self.acquire_timeout_seconds) as connection:
                if not is_ours(connection):
                    await _unless_cancelled(connection, self._look_at)
                return await _unless_cancelled(connection, work)
        except DRIVER_ERRORS as error:
            fault = fault_of(error)
        # asyncpg's own clearing up may have put its error in the place of a cancellation.
        if is_being_cancelled():
            raise asyncio.CancelledError
        return fault

    async def _look_at(self, connection: PooledConnection) -> None:
        session = connection.get_server_pid()
        if session not in self._looked_at:
            await require_usable(connection, self.dependency)
            if len(self._looked_at) >= _SESSIONS_REMEMBERED:
                self._looked_at.clear()  # most of them have ended, and nobody says which
            self._looked_at.add(session)


async def _unless_cancelled(
    connection: PooledConnection, work: Callable[[PooledConnection], Awaitable[T]]
) -> T:
    """Does the work; whoever cancels it need not wait for a server that may not answer."""
    try:
        return await work(connection)
    except asyncio.CancelledError:
        connection.terminate()
        raise


def _pause_seconds(repetition: int) -> float:
    """Growing, and never the same for two workers that met."""
    longest = _FIRST_PAUSE_SECONDS * 4**repetition
    return random.uniform(longest / 4, longest)
