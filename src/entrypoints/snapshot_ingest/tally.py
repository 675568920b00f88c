"""Counts what this process's worker did, for a person who watches."""

from attrs import define

from snapshot_domain.events import BatchHandled, Event, GraceEnded, MessageHandled
from snapshot_domain.outcome import (
    AlreadyStored,
    DigestMismatched,
    ItemRefused,
    Malformed,
    Orphaned,
    Stored,
    TenantKeyMissing,
    Unchanged,
)


@define
class Tally:
    """A Metrics that keeps a running count of outcomes.

    `given_up` counts the orphans that policy discarded when their grace was over.
    """

    stored: int = 0
    unchanged: int = 0
    already_stored: int = 0
    malformed: int = 0
    orphaned: int = 0
    refused: int = 0
    keyless: int = 0
    retried: int = 0
    given_up: int = 0

    def record(self, event: Event) -> None:
        """Counts the messages of a batch, and orphans given up; all else says nothing here."""
        match event:
            case BatchHandled():
                for message in event.messages:
                    self._count(message)
            case GraceEnded():
                self.given_up += event.discarded

    @property
    def rejected(self) -> int:
        """All that could not be ingested."""
        return self.malformed + self.orphaned + self.refused + self.keyless

    @property
    def settled(self) -> int:
        """All that will not come again."""
        return self.stored + self.unchanged + self.already_stored + self.rejected

    def _count(self, message: MessageHandled) -> None:
        match message.outcome:
            case Stored():
                self.stored += 1
            case Unchanged():
                self.unchanged += 1
            case AlreadyStored():
                self.already_stored += 1
            case Malformed():
                self.malformed += 1
            case Orphaned():
                self.orphaned += 1
            case DigestMismatched() | ItemRefused():
                self.refused += 1
            case TenantKeyMissing():
                self.keyless += 1
            case _:
                self.retried += 1
