"""The ack floors of a simulation, and the consumer that its workers make again from them."""

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from simulation.ports import Passage
from simulation.stream import MortalStream
from simulation.witness import Sighting
from snapshot_domain.delivery import Delivery, Settlement
from snapshot_domain.errors import Dependency, Unavailable
from snapshot_domain.ports import STREAM_START, AckFloors, Backlog, Floor, first_unsettled


@frozen(eq=False)
class StormyFloors:
    """Fails before or after it has kept a floor."""

    inner: AckFloors
    passage: Passage

    async def load(self, stream: str, consumer: str) -> Floor | None:
        """See AckFloors."""
        await self.passage.step("floor")
        floor = await self.inner.load(stream, consumer)
        await self.passage.cross(Dependency.REPOSITORY, f"floor {_words(floor)}")
        return floor

    async def keep(self, floor: Floor, known: Floor | None) -> bool:
        """See AckFloors."""
        await self.passage.cross(Dependency.REPOSITORY, f"keep floor {_words(floor)}")
        is_kept = await self.inner.keep(floor, known)
        await self.passage.cross(Dependency.REPOSITORY, f"floor kept: {is_kept}")
        return is_kept


@frozen(eq=False)
class RecreatingSource:
    """Makes a consumer that is missing again, as an adapter must: anything may happen meanwhile."""

    stream: MortalStream
    floors: AckFloors
    passage: Passage

    @property
    def floor_key(self) -> tuple[str, str]:
        """See FloorSource."""
        return self.stream.floor_key

    async def fetch(self, max_messages: int, max_bytes: int) -> Sequence[Delivery]:
        """See MessageSource."""
        await self.check()
        return await self.stream.fetch(max_messages, max_bytes)

    async def settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        """See MessageSource."""
        await self.stream.settle(settlements)

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        """See MessageSource."""
        await self.stream.extend(deliveries)

    async def backlog(self) -> Backlog:
        """See MessageSource."""
        return await self.stream.backlog()

    async def floor(self, at: datetime) -> Floor:
        """See FloorSource. One of a consumer that was made for another stream is not believed."""
        await self.passage.cross(Dependency.SOURCE, "look at the floor")
        self._part_from_former_stream()
        return await self.stream.floor(at)

    async def check(self) -> None:
        """See MessageSource."""
        self._part_from_former_stream()
        if self.stream.begins_at is None:
            await self._make_consumer()
            self._part_from_former_stream()

    async def _make_consumer(self) -> None:
        floor = await self.floors.load(*self.stream.floor_key)
        await self.passage.cross(Dependency.SOURCE, "look at the stream")
        created_at, last_sequence = self.stream.created_at, self.stream.last_sequence
        start = first_unsettled(floor, created_at, last_sequence)
        await self.passage.cross(Dependency.SOURCE, f"make the consumer from {start}")
        others_start = self.stream.begins_at
        if others_start is not None and others_start > start:
            self.stream.delete_consumer()
            others_start = None
        if others_start is None:
            self.stream.make_consumer(start, created_at)
            is_whole = start == STREAM_START
            self.passage.witness.sightings.add(
                Sighting.FROM_START if is_whole else Sighting.FROM_FLOOR
            )
        await self.passage.cross(Dependency.SOURCE, "made the consumer")

    def _part_from_former_stream(self) -> None:
        if self.stream.begins_at is not None and self.stream.made_for != self.stream.created_at:
            self.stream.delete_consumer()
            raise Unavailable(Dependency.SOURCE, "the stream was made again")


def _words(floor: Floor | None) -> str:
    return "none" if floor is None else f"{floor.sequence} of {floor.last_sequence}"
