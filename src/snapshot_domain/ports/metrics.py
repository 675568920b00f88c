"""Metrics: is told what happened."""

from typing import Protocol

from snapshot_domain.events import Event


class Metrics(Protocol):
    """Turns events into figures."""

    def record(self, event: Event) -> None:
        """Takes note of the event. Returns at once and never raises."""
        ...
