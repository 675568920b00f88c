"""The real clock, for real servers, which a test may still move forward."""

import time
from datetime import UTC, datetime, timedelta


class MovableClock:
    """Runs with the real time, plus all that a test has added."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0
        self._slept_seconds = 0.0

    def now(self) -> datetime:
        """The time of day."""
        ahead_seconds = self._ahead_seconds + self._slept_seconds
        return datetime.now(UTC) + timedelta(seconds=ahead_seconds)

    def monotonic(self) -> float:
        """Seconds, never going back."""
        return time.monotonic() + self._ahead_seconds

    async def sleep(self, seconds: float) -> None:
        """Moves the clock and does not wait."""
        self.advance(seconds)

    def sleep_machine(self, seconds: float) -> None:
        """Moves the time of day alone, as a machine that sleeps does."""
        self._slept_seconds += seconds

    def advance(self, seconds: float) -> None:
        """Moves the clock on."""
        self._ahead_seconds += seconds
