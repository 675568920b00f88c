"""MessageSource in memory: a stream with one durable consumer, shared by any number of workers."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from attrs import define, field

from snapshot_domain.delivery import Ack, Delivery, Discard, Origin, Retry, Settlement
from snapshot_domain.ports import Backlog, Clock, Floor
from snapshot_domain.secret import RawMessage

_CONSUMER = "memory"


@define
class _Entry:
    """A message that the stream still holds. `due_at` is when it may be delivered next."""

    origin: Origin
    subject: str
    body: RawMessage
    received_at: datetime
    due_at: datetime
    attempts: int = 0


@define
class MemoryMessageSource:
    """Delivers in order, and again after `ack_wait` what nobody settled.

    `settled` is every settlement that was asked for, in order, by sequence. One that comes
    after its delivery's deadline, when the message was delivered again, still holds, as it
    does on a real stream.
    """

    _clock: Clock
    ack_wait: timedelta = timedelta(seconds=30)
    fetch_wait: timedelta = timedelta(0)
    settled: list[tuple[int, Settlement]] = field(factory=list)
    _stream: str = "DEVICE_EVENTS"
    _entries: dict[int, _Entry] = field(factory=dict)
    _last_sequence: int = 0
    _delivered_sequence: int = 0
    _deliveries: int = 0
    _created_at: datetime = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._created_at = self._clock.now()

    @property
    def attempts(self) -> Mapping[int, int]:
        """How often each message that is still held was delivered, by sequence."""
        return {sequence: entry.attempts for sequence, entry in self._entries.items()}

    def publish(self, subject: str, body: RawMessage) -> int:
        """Puts a message on the stream and returns its sequence."""
        self._last_sequence += 1
        now = self._clock.now()
        origin = Origin(self._stream, self._created_at, self._last_sequence)
        self._entries[self._last_sequence] = _Entry(origin, subject, body, now, due_at=now)
        return self._last_sequence

    async def fetch(self, max_messages: int, max_bytes: int) -> Sequence[Delivery]:
        """See MessageSource."""
        deliveries = self._take(max_messages, max_bytes)
        if not deliveries:
            await self._clock.sleep(self.fetch_wait.total_seconds())
            deliveries = self._take(max_messages, max_bytes)
        return deliveries

    async def settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        """See MessageSource."""
        for delivery, settlement in settlements:
            self._settle(delivery.origin.sequence, settlement)

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        """See MessageSource."""
        for delivery in deliveries:
            entry = self._entries.get(delivery.origin.sequence)
            if entry is not None:
                entry.due_at = self._clock.now() + self.ack_wait

    async def backlog(self) -> Backlog:
        """See MessageSource."""
        delivered = [entry for entry in self._entries.values() if entry.attempts]
        return Backlog(
            pending=len(self._entries) - len(delivered),
            unsettled=len(delivered),
            redelivered=sum(entry.attempts > 1 for entry in delivered),
            oldest_at=min((entry.received_at for entry in self._entries.values()), default=None),
        )

    @property
    def floor_key(self) -> tuple[str, str]:
        """See FloorSource."""
        return self._stream, _CONSUMER

    async def floor(self, at: datetime) -> Floor:
        """See FloorSource. Nothing is ever evicted here."""
        return Floor(
            stream=self._stream,
            stream_created_at=self._created_at,
            consumer=_CONSUMER,
            consumer_created_at=self._created_at,
            sequence=min(self._entries, default=self._last_sequence + 1) - 1,
            delivered_sequence=self._delivered_sequence,
            deliveries=self._deliveries,
            pending=self._last_sequence - self._delivered_sequence,
            first_sequence=1,
            last_sequence=self._last_sequence,
            at=at,
        )

    async def check(self) -> None:
        """Memory always answers."""

    def _take(self, max_messages: int, max_bytes: int) -> list[Delivery]:
        taken: list[Delivery] = []
        room_bytes = max_bytes
        now = self._clock.now()
        for entry in self._entries.values():
            if entry.due_at > now:
                continue
            room_bytes -= entry.body.size_bytes
            if len(taken) == max_messages or (taken and room_bytes < 0):
                break
            taken.append(self._deliver(entry))
        return taken

    def _deliver(self, entry: _Entry) -> Delivery:
        entry.attempts += 1
        self._deliveries += 1
        self._delivered_sequence = max(self._delivered_sequence, entry.origin.sequence)
        entry.due_at = self._clock.now() + self.ack_wait
        return Delivery(entry.body, entry.origin, entry.subject, entry.received_at, entry.attempts)

    def _settle(self, sequence: int, settlement: Settlement) -> None:
        self.settled.append((sequence, settlement))
        match settlement:
            case Ack() | Discard():
                self._entries.pop(sequence, None)
            case Retry(after):
                if sequence in self._entries:
                    self._entries[sequence].due_at = self._clock.now() + after
