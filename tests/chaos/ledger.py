"""What was published: each message, and the sequence under which the stream acknowledged it."""

from collections.abc import Iterable

from attrs import define, field

from chaos.traffic import Message


@define
class Entry:
    """A message that was tried; `sequence` is None until the stream acknowledged it."""

    message: Message
    sequence: int | None = None


@define
class Ledger:
    """Every message that the publisher tried, in that order.

    `repeats` counts publishes that the stream answered with: I have that one already.
    """

    entries: list[Entry] = field(factory=list)
    repeats: int = 0
    published: int = 0

    def begin(self, message: Message) -> Entry:
        """Takes note of a message before it is sent for the first time."""
        entry = Entry(message)
        self.entries.append(entry)
        return entry

    def acknowledge(self, entry: Entry, sequence: int, *, is_repeat: bool) -> None:
        """The stream has it: from now on it may not be lost."""
        entry.sequence = sequence
        self.published += 1
        self.repeats += is_repeat

    def acknowledged(self) -> Iterable[tuple[Message, int]]:
        """The messages that count as published, with their sequences."""
        return (
            (entry.message, entry.sequence) for entry in self.entries if entry.sequence is not None
        )
