"""Metrics in memory: every event, in order."""

from attrs import define, field

from snapshot_domain.events import BatchHandled, Event
from snapshot_domain.outcome import Outcome


@define
class MemoryMetrics:
    """Remembers what it was told."""

    events: list[Event] = field(factory=list)

    def record(self, event: Event) -> None:
        """See Metrics."""
        self.events.append(event)

    def outcomes(self) -> list[Outcome]:
        """What became of every message so far."""
        return [
            message.outcome
            for event in self.events
            if isinstance(event, BatchHandled)
            for message in event.messages
        ]
