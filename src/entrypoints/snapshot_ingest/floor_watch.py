"""Keeps the ack floor every few seconds, and tells what the stream discarded meanwhile."""

import logging
from collections.abc import Awaitable

from snapshot_domain.delivery import Origin
from snapshot_domain.errors import DependencyError, Misconfigured
from snapshot_domain.events import EvictionSeen
from snapshot_domain.eviction import eviction_between
from snapshot_domain.ports import (
    AckFloors,
    Clock,
    Floor,
    FloorSource,
    Metrics,
    QuarantineReview,
)

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0


class FloorWatch:
    """Persists how far the consumer is; each look is compared with the one kept before it.

    The kept one is loaded first: so the stream that is looked at then cannot end before it,
    unless it lost its end. It may be another worker's, or of before a restart. What the quarantine
    remembers only because it might be delivered again is forgotten once the floor that is kept has
    passed it.
    """

    def __init__(
        self,
        source: FloorSource,
        floors: AckFloors,
        review: QuarantineReview,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._source = source
        self._floors = floors
        self._review = review
        self._metrics = metrics
        self._clock = clock
        self._complaints: dict[str, str] = {}

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(_EVERY_SECONDS)

    async def look(self) -> None:
        """Looks once; while source or floors do not answer, the floor stays as it was."""
        await self._try(self._keep(), "the ack floor is not kept")

    async def _keep(self) -> None:
        known = await self._floors.load(*self._source.floor_key)
        floor = await self._source.floor(self._clock.now())
        if await self._floors.keep(floor, known) and known is not None:
            self._tell(known, floor)
            await self._try(self._forget(floor), "the quarantine forgets nothing")

    async def _forget(self, floor: Floor) -> None:
        origin = Origin(floor.stream, floor.stream_created_at, floor.sequence)
        await self._review.forget(origin)

    async def _try(self, step: Awaitable[None], otherwise: str) -> None:
        try:
            await step
        except Misconfigured as fault:
            self._complain(otherwise, str(fault))
        except DependencyError as fault:
            logger.debug("%s: %s", otherwise, fault)
        except Exception as fault:  # noqa: BLE001 - a floor less is no reason to stop
            logger.warning("%s: unforeseen %s", otherwise, type(fault).__name__)
        else:
            self._complaints.pop(otherwise, None)

    def _complain(self, otherwise: str, what: str) -> None:
        """Once for each fault: it lasts until an operator acts."""
        if self._complaints.get(otherwise) != what:
            self._complaints[otherwise] = what
            logger.error("%s: %s", otherwise, what)

    def _tell(self, former: Floor, floor: Floor) -> None:
        if former.is_cut_off_in(floor.stream_created_at, floor.last_sequence):
            logger.warning(
                "the stream ends at sequence %d, and ended at %d before: was it restored from a "
                "backup? its ack floor is taken back from %d to %d, so that nothing is passed over",
                floor.last_sequence,
                former.last_sequence,
                former.sequence,
                floor.sequence,
            )
        eviction = eviction_between(former, floor)
        if not eviction.at_most:
            return
        self._metrics.record(
            EvictionSeen(eviction.at_least, eviction.at_most, since=former.at, until=floor.at)
        )
        if eviction.at_least:
            logger.warning(
                "the stream discarded at least %d and at most %d messages before they were "
                "delivered, between %s and %s; expected room for what waits during an outage; "
                "make it larger, or see `snapshot-ingest provision --own-stream`",
                eviction.at_least,
                eviction.at_most,
                former.at.isoformat(timespec="seconds"),
                floor.at.isoformat(timespec="seconds"),
            )
