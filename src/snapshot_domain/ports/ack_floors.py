"""AckFloors: how far each consumer had settled its stream, kept where the stream cannot take it."""

from datetime import datetime
from typing import Protocol

from attrs import evolve, frozen


@frozen(kw_only=True)
class Floor:
    """How far one consumer is at one moment: everything up to `sequence` is settled.

    Stream and consumer go with their creation times, because either may be made again, and
    then counts anew. Every sequence is the stream's. `delivered_sequence` is the highest that
    was delivered, `deliveries` counts every delivery to any worker since the consumer was
    made, and `pending` the messages that it never delivered. The stream's `first_sequence` was
    read just before these, its `last_sequence` just after. `at` is the time of whoever looked.
    """

    stream: str
    stream_created_at: datetime
    consumer: str
    consumer_created_at: datetime
    sequence: int
    delivered_sequence: int
    deliveries: int
    pending: int
    first_sequence: int
    last_sequence: int
    at: datetime

    def holds_of(self, stream_created_at: datetime | None, last_sequence: int) -> bool:
        """Whether it says anything of a stream that was looked at after this was loaded.

        It says nothing of another stream of that name, and nothing of one that has lost its end,
        by a restored backup or a crash: what came since bears sequences that were settled before.
        """
        is_same = self.stream_created_at == stream_created_at
        return is_same and self.last_sequence <= last_sequence

    def is_cut_off_in(self, stream_created_at: datetime | None, last_sequence: int) -> bool:
        """Whether the same stream, looked at after this was loaded, has lost its end."""
        is_same = self.stream_created_at == stream_created_at
        return is_same and self.last_sequence > last_sequence

    def over(self, known: "Floor | None") -> "Floor":
        """What to keep in the place of `known`, which was loaded before this was looked at.

        As long as the known one holds, the greater floor stays, whatever its consumer: what is
        settled stays settled.
        """
        if known is None or not known.holds_of(self.stream_created_at, self.last_sequence):
            return self
        return evolve(self, sequence=max(self.sequence, known.sequence))


STREAM_START = 1
"""The sequence of a stream's first message."""


def first_unsettled(
    floor: Floor | None, stream_created_at: datetime | None, last_sequence: int
) -> int:
    """The first sequence that is not known to be settled, of a stream looked at afterwards.

    There a consumer that was deleted begins again.
    """
    if floor is None or not floor.holds_of(stream_created_at, last_sequence):
        return STREAM_START
    return floor.sequence + 1


class AckFloors(Protocol):
    """Keeps one floor for each consumer; every method raises `Unavailable` or `Misconfigured`."""

    async def load(self, stream: str, consumer: str) -> Floor | None:
        """The floor that is kept for this consumer; it may be of a former stream of that name."""
        ...

    async def keep(self, floor: Floor, known: Floor | None) -> bool:
        """Keeps what `Floor.over` says in the place of `known`; returns whether it did.

        `known` is what was loaded before the look at the stream. It does not if another floor
        has taken that place meanwhile: which look was the later one is not known then. So each
        floor is replaced by one worker only, and what happened between two looks is told once.
        """
        ...


class FloorSource(Protocol):
    """Tells how far its consumer is."""

    @property
    def floor_key(self) -> tuple[str, str]:
        """The stream and the consumer that its floors are kept under."""
        ...

    async def floor(self, at: datetime) -> Floor:
        """How far it is now, which is `at` to the caller; raises `Unavailable`, `Misconfigured`."""
        ...
