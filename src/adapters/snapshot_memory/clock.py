"""A clock that stands still until somebody moves it."""

import asyncio
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Starts at a given time; sleeping moves it, so that nothing ever really waits."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = timedelta(0)

    def now(self) -> datetime:
        """The time of day that the clock shows."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._elapsed.total_seconds()

    def advance(self, by: timedelta) -> None:
        """Moves the clock on."""
        self._elapsed += by

    async def sleep(self, seconds: float) -> None:
        """Moves the clock on, and lets others run."""
        self.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)
