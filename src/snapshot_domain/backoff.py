"""How long to wait before another attempt: growing, jittered, bounded."""

from datetime import timedelta
from random import Random

from attrs import evolve, field, frozen

_DOUBLINGS_AT_MOST = 16


@frozen
class Backoff:
    """Doubles from `first` to `most`, each delay drawn from its upper half."""

    random: Random = field(eq=False, repr=False)
    first: timedelta = timedelta(seconds=1)
    most: timedelta = timedelta(seconds=30)

    def delay(self, attempt: int) -> timedelta:
        """The delay after this attempt, counted from 1."""
        doublings = min(max(attempt - 1, 0), _DOUBLINGS_AT_MOST)
        longest = min(self.first * 2.0**doublings, self.most)
        return longest * self.random.uniform(0.5, 1.0)

    def between(self, first: timedelta, most: timedelta) -> "Backoff":
        """The same with other bounds."""
        return evolve(self, first=first, most=most)
