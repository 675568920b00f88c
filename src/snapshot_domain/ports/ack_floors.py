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

    def over(self, kept: "Floor") -> "Floor | None":
        """What to keep in the place of `kept`; None if this was looked at no later.

        The later look is told by what a stream and its consumer only ever count upwards:
        workers' clocks may differ. A stream that was made again has nothing in common with
        the former. Of one stream the greatest floor stays, whatever its consumer: what is
        settled stays settled.
        """
        if self.stream_created_at != kept.stream_created_at:
            return self
        if self._reached <= kept._reached:
            return None
        return evolve(self, sequence=max(self.sequence, kept.sequence))

    @property
    def _reached(self) -> tuple[datetime, int, int, int, int, int]:
        # Where nothing was delivered and nothing arrived, messages can only have gone.
        return (
            self.consumer_created_at,
            self.deliveries,
            self.delivered_sequence,
            self.last_sequence,
            -self.pending,
            self.sequence,
        )


class AckFloors(Protocol):
    """Keeps one floor for each consumer; every method raises `Unavailable` or `Misconfigured`."""

    async def load(self, stream: str, consumer: str) -> Floor | None:
        """The floor that is kept for this consumer; it may be of a former stream of that name."""
        ...

    async def keep(self, floor: Floor) -> Floor | None:
        """Keeps what `Floor.over` says, and returns the floor whose place it took.

        None if there was none, or if the one that is kept is as late. Any number of workers
        may call it at once: each floor is returned to one of them only, and so what happened
        between two looks is told once.
        """
        ...


class FloorSource(Protocol):
    """Tells how far its consumer is."""

    async def floor(self, at: datetime) -> Floor:
        """How far it is now, which is `at` to the caller; raises `Unavailable`, `Misconfigured`."""
        ...
