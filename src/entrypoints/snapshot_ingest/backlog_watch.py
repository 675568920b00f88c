"""Looks at the backlog every few seconds, so that the metrics know it."""

import logging

from snapshot_domain.errors import DependencyError
from snapshot_domain.events import BacklogObserved
from snapshot_domain.ports import Backlog, Clock, MessageSource, Metrics

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0


class BacklogWatch:
    """Tells the metrics what the source still holds."""

    def __init__(self, source: MessageSource, metrics: Metrics, clock: Clock) -> None:
        self._source = source
        self._metrics = metrics
        self._clock = clock

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(_EVERY_SECONDS)

    async def look(self) -> None:
        """Looks once; while the source does not answer, the figures stay as they were."""
        try:
            backlog = await self._source.backlog()
        except DependencyError as fault:
            logger.debug("the backlog is not known: %s", fault)
        except Exception as fault:  # noqa: BLE001 - a figure less is no reason to stop
            logger.warning("the backlog is not known: unforeseen %s", type(fault).__name__)
        else:
            self._metrics.record(self._observed(backlog))

    def _observed(self, backlog: Backlog) -> BacklogObserved:
        age_seconds = 0.0
        if backlog.oldest_at is not None:
            age_seconds = max(0.0, (self._clock.now() - backlog.oldest_at).total_seconds())
        return BacklogObserved(
            pending=backlog.pending,
            unsettled=backlog.unsettled,
            redelivered=backlog.redelivered,
            oldest_age_seconds=age_seconds,
        )
