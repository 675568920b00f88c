"""Whether messages are fetched: paused while a dependency cannot do its work, and how wide open."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias

from snapshot_domain.backoff import Backoff
from snapshot_domain.digests import Digests
from snapshot_domain.errors import Dependency, DependencyError
from snapshot_domain.events import IntakePaused, IntakeResumed
from snapshot_domain.journal import logger
from snapshot_domain.outcome import (
    DependencyBusy,
    DependencyMisconfigured,
    DependencyUnavailable,
    Outcome,
    RetriedOutcome,
)
from snapshot_domain.ports import (
    Cipher,
    Clock,
    DeviceDirectory,
    HashRepository,
    MessageSource,
    Metrics,
    Quarantine,
)
from snapshot_domain.tasks import within

Probe: TypeAlias = Callable[[], Awaitable[None]]

_PROBE_FIRST = timedelta(seconds=0.5)
_PROBE_MOST = timedelta(seconds=3)
_PROBE_SECONDS_AT_MOST = 10.0


class Intake:
    """Told of every batch's outcomes; whoever fetches asks it first.

    A dependency that is unavailable or misconfigured pauses it: further messages would only
    burn deliveries. A cheap probe, one at a time, opens it again within seconds of recovery.
    A dependency that is busy narrows it: half as many batches at once, and none before the
    time that it asked for; each batch that goes well widens it by one.
    """

    def __init__(
        self,
        source: MessageSource,
        directory: DeviceDirectory,
        repository: HashRepository,
        cipher: Cipher,
        quarantine: Quarantine,
        metrics: Metrics,
        clock: Clock,
        backoff: Backoff,
        digests: Digests,
    ) -> None:
        self._probes: Mapping[Dependency, Probe] = {
            Dependency.SOURCE: source.check,
            Dependency.DIRECTORY: directory.check,
            Dependency.REPOSITORY: _both(repository.check, digests.check),
            Dependency.CIPHER: _both(cipher.check, digests.check),
            Dependency.QUARANTINE: quarantine.check,
        }
        self._metrics = metrics
        self._clock = clock
        self._backoff = backoff.between(_PROBE_FIRST, _PROBE_MOST)
        self._faults: dict[Dependency, str] = {}
        self._closed_until = clock.monotonic()
        self._narrowed_to: int | None = None
        self._relapses = 0

    @property
    def faults(self) -> Mapping[Dependency, str]:
        """What it is paused for; empty while it is open."""
        return self._faults

    @property
    def is_open(self) -> bool:
        """Whether anything may be asked of the dependencies now."""
        return not self._faults and self._seconds_closed() <= 0

    def batches_allowed(self, most: int) -> int:
        """How many batches may be in flight now."""
        return most if self._narrowed_to is None else min(self._narrowed_to, most)

    def note(self, outcomes: Sequence[Outcome], batches_in_flight: int) -> None:
        """Draws the conclusions from a batch."""
        retried = [outcome for outcome in outcomes if isinstance(outcome, RetriedOutcome)]
        for outcome in dict.fromkeys(retried):
            match outcome:
                case DependencyUnavailable(dependency):
                    self.pause(dependency, f"{dependency} unavailable")
                case DependencyMisconfigured(dependency, what):
                    self.pause(dependency, what)
                case DependencyBusy(_, retry_after):
                    self._narrow(batches_in_flight, retry_after)
        if not retried:
            self._widen()

    def pause(self, dependency: Dependency, what: str) -> None:
        """Stops fetching until the dependency's probe succeeds."""
        if dependency not in self._faults:
            logger.warning("intake pauses: %s", what)
            self._metrics.record(IntakePaused(dependency))
            self._close_for_a_while()
        self._faults[dependency] = what

    async def until_open(self) -> None:
        """Returns when fetching makes sense again, having probed for it if need be."""
        while self._faults or self._seconds_closed() > 0:
            await self._clock.sleep(self._seconds_closed())
            for dependency in list(self._faults):
                await self._probe(dependency)

    def _seconds_closed(self) -> float:
        return self._closed_until - self._clock.monotonic()

    async def _probe(self, dependency: Dependency) -> None:
        try:
            await within(_PROBE_SECONDS_AT_MOST, self._probes[dependency]())
        except DependencyError as fault:
            self._faults[dependency] = str(fault)
            if fault.dependency is not dependency:
                # The source, for one, needs the floor, which the repository keeps.
                self.pause(fault.dependency, str(fault))
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is no recovery
            self._faults[dependency] = f"{dependency}: unforeseen {type(fault).__name__}"
        else:
            del self._faults[dependency]
        if dependency in self._faults:
            self._close_for_a_while()
        else:
            logger.info("intake resumes: the %s answers", dependency)
            self._metrics.record(IntakeResumed(dependency))

    def _close_for_a_while(self) -> None:
        """Longer each time, until a batch goes well: a probe that lies burns few deliveries."""
        self._relapses += 1
        self._close_for(self._backoff.delay(self._relapses))

    def _close_for(self, pause: timedelta) -> None:
        closed_until = self._clock.monotonic() + pause.total_seconds()
        self._closed_until = max(self._closed_until, closed_until)

    def _narrow(self, batches_in_flight: int, retry_after: timedelta | None) -> None:
        self._narrowed_to = max(1, batches_in_flight // 2)
        if retry_after is not None:
            self._close_for(retry_after)

    def _widen(self) -> None:
        self._relapses = 0
        if self._narrowed_to is not None:
            self._narrowed_to += 1


def _both(first: Probe, second: Probe) -> Probe:
    async def probe() -> None:
        await first()
        await second()

    return probe
