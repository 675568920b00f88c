"""More time for deliveries whose batch takes long."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from attrs import frozen

from snapshot_domain.delivery import Delivery
from snapshot_domain.journal import logger
from snapshot_domain.ports import Clock, MessageSource
from snapshot_domain.tasks import cancel


@frozen(eq=False)
class Extension:
    """Asks the source for more time, again and again, until the deliveries are decided.

    `every` must be well below the source's deadline for a delivery.
    """

    source: MessageSource
    clock: Clock
    every: timedelta = timedelta(seconds=10)

    @asynccontextmanager
    async def of(self, deliveries: Sequence[Delivery]) -> AsyncIterator[None]:
        """Extends them while the block runs; not a moment longer, since they are settled next."""
        extending = asyncio.create_task(self._extend(deliveries))
        try:
            yield
        finally:
            await cancel(extending)

    async def _extend(self, deliveries: Sequence[Delivery]) -> None:
        while True:
            await self.clock.sleep(self.every.total_seconds())
            try:
                await self.source.extend(deliveries)
            except Exception as fault:  # noqa: BLE001 - without more time they only come again
                logger.warning(
                    "no more time for %d messages: %s", len(deliveries), type(fault).__name__
                )
