"""Keeps the ack floor every few seconds, and tells what the stream discarded meanwhile."""

import logging

from snapshot_domain.errors import DependencyError, Misconfigured
from snapshot_domain.events import EvictionSeen
from snapshot_domain.eviction import eviction_between
from snapshot_domain.ports import AckFloors, Clock, Floor, FloorSource, Metrics

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0


class FloorWatch:
    """Persists how far the consumer is; each look is compared with the one kept before it.

    The kept one is loaded first: so the stream that is looked at then cannot end before it,
    unless it lost its end.

    That one may be another worker's, or of before a restart.
    """

    def __init__(
        self, source: FloorSource, floors: AckFloors, metrics: Metrics, clock: Clock
    ) -> None:
        self._source = source
        self._floors = floors
        self._metrics = metrics
        self._clock = clock
        self._complained_of = ""

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(_EVERY_SECONDS)

    async def look(self) -> None:
        """Looks once; while source or floors do not answer, the floor stays as it was."""
        try:
            known = await self._floors.load(*self._source.floor_key)
            floor = await self._source.floor(self._clock.now())
            is_kept = await self._floors.keep(floor, known)
        except Misconfigured as fault:
            self._complain(str(fault))
        except DependencyError as fault:
            logger.debug("the ack floor is not kept: %s", fault)
        except Exception as fault:  # noqa: BLE001 - a floor less is no reason to stop
            logger.warning("the ack floor is not kept: unforeseen %s", type(fault).__name__)
        else:
            self._complained_of = ""
            if is_kept and known is not None:
                self._tell(known, floor)

    def _complain(self, what: str) -> None:
        """Once for each fault: it lasts until an operator acts."""
        if what != self._complained_of:
            self._complained_of = what
            logger.error("the ack floor is not kept: %s", what)

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
