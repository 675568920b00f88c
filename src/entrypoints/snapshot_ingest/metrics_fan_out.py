"""Tells several Metrics of each event."""

import logging
from collections.abc import Sequence

from attrs import frozen

from snapshot_domain.events import Event
from snapshot_domain.ports import Metrics

logger = logging.getLogger(__name__)


@frozen
class MetricsFanOut:
    """See snapshot_domain.ports.Metrics."""

    all: Sequence[Metrics]

    def record(self, event: Event) -> None:
        """Passes the event on to each; one that breaks its promise and raises stops nobody."""
        for metrics in self.all:
            try:
                metrics.record(event)
            except Exception as fault:  # noqa: BLE001 - a figure less is no reason to stop
                logger.warning("an event was not recorded: %s", type(fault).__name__)
