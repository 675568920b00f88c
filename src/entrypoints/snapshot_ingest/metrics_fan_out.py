"""Tells several Metrics of each event."""

from collections.abc import Sequence

from attrs import frozen

from snapshot_domain.events import Event
from snapshot_domain.ports import Metrics


@frozen
class MetricsFanOut:
    """See snapshot_domain.ports.Metrics."""

    all: Sequence[Metrics]

    def record(self, event: Event) -> None:
        """Passes the event on to each."""
        for metrics in self.all:
            metrics.record(event)
