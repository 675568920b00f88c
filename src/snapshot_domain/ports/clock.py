"""Clock: the time, so that a test or a simulation can own it."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, never going back: for durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after this many seconds."""
        ...
