"""A pool that belongs to a host: used like one of ours, with the bounds that ours has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from snapshot_postgres.pool import Pool, PooledConnection

_USE_SECONDS = 30.0


class _Bounded:
    """The part of a pool that the adapters use. Each use ends in time, whatever the host set."""

    def __init__(self, pool: Pool, use_seconds: float) -> None:
        self._pool = pool
        self._use_seconds = use_seconds

    @asynccontextmanager
    async def acquire(self, *, timeout: float) -> AsyncIterator[PooledConnection]:
        """A connection for one use; raises `TimeoutError` where that takes too long."""
        async with self._pool.acquire(timeout=timeout) as connection:
            async with asyncio.timeout(self._use_seconds):
                yield connection


def host_pool(pool: Pool, *, use_seconds: float = _USE_SECONDS) -> Pool:
    """The host's pool for our adapters, which neither close nor change it.

    It need not have a timeout for its commands: a use that takes longer is given up, and its
    connection with it. Its `init` and `setup` must not give types another form than asyncpg does.
    """
    return cast("Pool", _Bounded(pool, use_seconds))
