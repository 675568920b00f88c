"""Lets the plan's faults strike when there is something to hit, and times the recoveries."""

import asyncio
import logging
from time import monotonic

from attrs import frozen

from chaos.faults import fault_of
from chaos.plan import Strike
from chaos.workers import Crew
from chaos.world import World
from snapshot_domain.tasks import cancel
from support.waiting import until

logger = logging.getLogger(__name__)

RECOVERY_SECONDS_AT_MOST = 90.0
"""A fault after which a worker still does nothing is one that the product did not survive."""

_BUSY_SECONDS_AT_MOST = 60.0
_LOOK_EVERY_SECONDS = 0.02


@frozen
class FaultRecord:
    """What one fault met, and what it cost.

    `silence_seconds` is the longest time, from the strike to the recovery, in which no worker
    settled anything. `recovery_seconds` is how long it took after the mend until every worker
    had settled something again; None where some worker never did.
    """

    strike: Strike
    in_flight: int
    per_second_before: float
    silence_seconds: float
    recovery_seconds: float | None

    def __str__(self) -> str:
        recovered = "never" if self.recovery_seconds is None else f"{self.recovery_seconds:.1f} s"
        return (
            f"{self.strike.name}: {self.in_flight} in flight at {self.per_second_before:.0f}/s, "
            f"silent for {self.silence_seconds:.1f} s, every worker back after {recovered}"
        )

    @property
    def counts(self) -> bool:
        """Whether it struck work in flight that went on before and after."""
        return (
            self.in_flight > 0 and self.per_second_before > 0 and self.recovery_seconds is not None
        )


async def strike(plan: Strike, world: World) -> FaultRecord:
    """One fault, from the calm before it to the recovery after it.

    Where there is never anything to hit, it does not strike at all, and does not count.
    """
    crew = world.crew
    await asyncio.sleep(plan.calm_seconds)
    if not await _is_busy(crew):
        return FaultRecord(plan, crew.in_flight, crew.per_second, 0.0, None)
    in_flight, per_second = crew.in_flight, crew.per_second
    silence = _Silence(crew)
    listening = asyncio.create_task(silence.listen())
    try:
        fault = fault_of(plan, world)
        await fault.strike()
        await asyncio.sleep(plan.hold_seconds)
        await fault.mend()
        recovery_seconds = await _recovery_seconds(crew)
    finally:
        await cancel(listening)
    record = FaultRecord(plan, in_flight, per_second, silence.longest_seconds, recovery_seconds)
    logger.info("%s", record)
    return record


async def _is_busy(crew: Crew) -> bool:
    """Waits until messages are in flight and being settled, unless that never happens."""
    try:
        await until(
            lambda: crew.in_flight > 0 and crew.per_second > 0,
            seconds=_BUSY_SECONDS_AT_MOST,
            every_seconds=_LOOK_EVERY_SECONDS,
        )
    except TimeoutError:
        return False
    return True


async def _recovery_seconds(crew: Crew) -> float | None:
    """Until each worker has settled something that it had not when the mend was done."""
    mended_at = monotonic()
    before = [(worker, worker.settled) for worker in crew.workers]
    try:
        await until(
            lambda: all(worker.settled > settled for worker, settled in before),
            seconds=RECOVERY_SECONDS_AT_MOST,
            every_seconds=_LOOK_EVERY_SECONDS,
        )
    except TimeoutError:
        return None
    return monotonic() - mended_at


class _Silence:
    """Measures the longest time without any settlement."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self.longest_seconds = 0.0

    async def listen(self) -> None:
        """For ever."""
        settled, heard_at = self._crew.settled, monotonic()
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            self.longest_seconds = max(self.longest_seconds, monotonic() - heard_at)
            if self._crew.settled != settled:
                settled, heard_at = self._crew.settled, monotonic()
