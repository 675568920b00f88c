"""The fault plan: when the ports are slow, fail, or take a worker down with them."""

from datetime import timedelta
from random import Random

from attrs import frozen

from simulation.loop import TICK_SECONDS
from snapshot_domain.errors import Contended, Dependency, Misconfigured, RateLimited, Unavailable

CANARY = "canary"
"""Part of every text and every malformed body; it must never be seen where only words may be."""

_STORM_SECONDS = 60.0


@frozen
class _Outage:
    dependency: Dependency
    begins_at_seconds: float
    ends_at_seconds: float
    kind: int


class Weather:
    """Draws each fault as it is asked for one; how stormy it is differs from seed to seed."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._slow = chance.choice([0.03, 0.1, 0.3])
        self._flaky = chance.choice([0.0, 0.02, 0.06])
        self._deadly = chance.choice([0.0, 0.01, 0.03])
        self._outages = [self._outage() for _ in range(chance.choice([0, 1, 1, 2]))]
        self.is_calm = False

    def _outage(self) -> _Outage:
        begins = self._chance.uniform(0, _STORM_SECONDS)
        lasts = self._chance.uniform(1, 40)
        dependency = self._chance.choice(list(Dependency))
        return _Outage(dependency, begins, begins + lasts, self._chance.randrange(3))

    def strikes(self, share: float = 0.5) -> bool:
        """Whether something that is possible happens now."""
        return not self.is_calm and self._chance.random() < share

    def flickers(self) -> bool:
        """Whether a single call, or a single item of one, fails."""
        return self.strikes(self._flaky)

    def kills(self) -> bool:
        """Whether the worker that takes this step dies in it."""
        return self.strikes(self._deadly)

    def delay_seconds(self) -> float:
        """How long the step takes: mostly nothing worth the name, sometimes past a deadline."""
        if not self.strikes(self._slow):
            return self._chance.choice([0.0, 0.0, TICK_SECONDS])
        return self._chance.choice([0.5, 2.0, 5.0, 12.0, 40.0])

    def fault(self, dependency: Dependency, now_seconds: float) -> Exception | None:
        """What the dependency answers with, if it does not do its work."""
        if self.is_calm:
            return None
        for outage in self._outages:
            is_on = outage.begins_at_seconds <= now_seconds < outage.ends_at_seconds
            if outage.dependency is dependency and is_on:
                return _fault(dependency, outage.kind)
        return _fault(dependency, self._chance.randrange(5)) if self.flickers() else None


def _fault(dependency: Dependency, kind: int) -> Exception:
    """One of each sort; the last is a driver's error that nobody foresaw, with content in it."""
    match kind:
        case 0:
            return Unavailable(dependency, "down")
        case 1:
            return RateLimited(dependency, "busy", retry_after=timedelta(seconds=2))
        case 2:
            return Misconfigured(dependency, "its table is gone")
        case 3:
            return Contended(dependency, "others were in the way")
        case _:
            return RuntimeError(f"a driver's error that holds {CANARY}")
