"""The stream of a simulation, which an operator deletes: its consumer alone, or all of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attrs import define, evolve, field

from snapshot_domain.delivery import Delivery, Settlement
from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_domain.ports import STREAM_START, Backlog, Floor
from snapshot_domain.secret import RawMessage
from snapshot_memory import MemoryMessageSource

_STREAMS = 2  # their sequences interleave, so that one alone says which message it is


@define(kw_only=True)
class MortalStream(MemoryMessageSource):
    """Keeps its messages, settled or not, so that a consumer can begin again anywhere.

    Others use it too: between two messages of ours there is always one of theirs. `begins_at`
    is where its consumer begins, None while there is none; `made_for` the creation time of
    the stream that whoever made the consumer had looked at.
    """

    begins_at: int | None = STREAM_START
    made_for: datetime = field(init=False)
    times_made: int = field(init=False, default=0)
    _messages: dict[int, Any] = field(init=False, factory=dict)
    _consumer_created_at: datetime = field(init=False)
    _receipts: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.made_for = self._consumer_created_at = self._created_at

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        return self._created_at

    @property
    def last_sequence(self) -> int:
        """The sequence of its last message, whosever that is."""
        return self._last_sequence

    @property
    def sequences(self) -> Sequence[int]:
        """Where our messages stand."""
        return tuple(self._messages)

    def publish(self, subject: str, body: RawMessage) -> int:
        """See MemoryMessageSource."""
        sequence = super().publish(subject, body)
        self._messages[sequence] = evolve(self._entries[sequence])
        if self.begins_at is None or sequence < self.begins_at:
            del self._entries[sequence]
        self._last_sequence += _STREAMS - 1
        return sequence

    def delete_consumer(self) -> None:
        """As anybody can, and JetStream forgets with it what is settled."""
        self.begins_at = None
        self._entries.clear()
        self._delivered_sequence = self._deliveries = 0

    def make_consumer(self, begins_at: int, made_for: datetime) -> None:
        """Where none is."""
        self.begins_at, self.made_for = begins_at, made_for
        self._consumer_created_at = self._clock.now()
        self.times_made += 1
        self._entries.update(
            (sequence, evolve(message))
            for sequence, message in self._messages.items()
            if sequence >= begins_at
        )

    def make_again(self) -> None:
        """Deletes it with all that it holds; an empty one of that name takes its place."""
        self.delete_consumer()
        self._messages.clear()
        self._created_at = self._clock.now()
        self._last_sequence = 1

    async def fetch(self, max_messages: int, max_bytes: int) -> Sequence[Delivery]:
        """See MessageSource."""
        self._require_consumer()
        return await super().fetch(max_messages, max_bytes)

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        """See MessageSource. What its consumer has not delivered yet, nobody can hold back."""
        delivered = [each for each in deliveries if self.attempts.get(each.origin.sequence)]
        await super().extend(delivered)

    async def backlog(self) -> Backlog:
        """See MessageSource. Without a consumer nobody knows, so nothing is done with."""
        if self.begins_at is None:
            return Backlog(len(self._messages) + 1, 0, 0, None)
        return await super().backlog()

    async def floor(self, at: datetime) -> Floor:
        """See FloorSource."""
        self._require_consumer()
        return evolve(
            await super().floor(at),
            consumer_created_at=self._consumer_created_at,
            pending=sum(not entry.attempts for entry in self._entries.values()),
        )

    async def check(self) -> None:
        """See MessageSource."""
        self._require_consumer()

    def _require_consumer(self) -> None:
        if self.begins_at is None:
            raise Misconfigured(Dependency.SOURCE, "the consumer does not exist")

    def _deliver(self, entry: Any) -> Delivery:
        """A consumer that was made again counts anew, so its attempts tell no deliveries apart."""
        self._receipts += 1
        return evolve(super()._deliver(entry), receipt=self._receipts)

    def _settle(self, sequence: int, settlement: Settlement) -> None:
        """What its consumer has not delivered yet, nobody can settle."""
        entry = self._entries.get(sequence)
        if entry is None or entry.attempts:
            super()._settle(sequence, settlement)
