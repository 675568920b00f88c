"""The machine's clock."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """See snapshot_domain.ports.Clock."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, never going back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Returns after this many seconds."""
        await asyncio.sleep(seconds)
