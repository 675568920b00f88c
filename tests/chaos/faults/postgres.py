"""PostgreSQL is killed, or has no connection left to give."""

import asyncio

import asyncpg
from attrs import define, field, frozen

from chaos.plan import Strike, Target
from chaos.world import MAX_CONNECTIONS, World
from snapshot_domain.tasks import cancel
from support.waiting import until

_SECONDS = 30.0
_AGAIN_SECONDS = 0.05
_FOR_ANYBODY = MAX_CONNECTIONS - 3
"""Three are kept for superusers."""


@frozen
class PostgresKilled:
    """kill -9 of the server itself; it recovers at its next start."""

    plan: Strike
    world: World

    async def strike(self) -> None:
        """See Fault."""
        await self.world.stack.kill("postgres")

    async def mend(self) -> None:
        """See Fault."""
        await self.world.stack.start("postgres")


@define(eq=False)
class PostgresFull:
    """Others hold every connection, and the workers have lost theirs."""

    plan: Strike
    world: World
    _held: "list[asyncpg.Connection[asyncpg.Record]]" = field(factory=list)
    _filling: "asyncio.Task[None] | None" = None

    async def strike(self) -> None:
        """See Fault. The workers may come back once others hold all that there is."""
        proxies = self.world.proxies[Target.POSTGRES]
        for proxy in proxies:
            proxy.is_refusing = True
            await proxy.cut()
        self._filling = asyncio.create_task(self._keep_full())
        await until(
            lambda: len(self._held) >= _FOR_ANYBODY,
            seconds=_SECONDS,
            every_seconds=_AGAIN_SECONDS,
        )
        for proxy in proxies:
            proxy.is_refusing = False

    async def mend(self) -> None:
        """See Fault."""
        if self._filling is not None:
            await cancel(self._filling)
        await asyncio.gather(*(connection.close(timeout=_SECONDS) for connection in self._held))

    async def _keep_full(self) -> None:
        while True:
            await self._fill()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _fill(self) -> None:
        """As the reader, whose connections are as good as anybody's; until it is refused."""
        while True:
            try:
                connection = await asyncpg.connect(self.world.reader_dsn, timeout=_SECONDS)
            except asyncpg.TooManyConnectionsError:
                return
            self._held.append(connection)
