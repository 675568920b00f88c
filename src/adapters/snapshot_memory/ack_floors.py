"""AckFloors in memory."""

from attrs import define, field

from snapshot_domain.ports import Floor


@define
class MemoryAckFloors:
    """A dictionary by stream and consumer."""

    floors: dict[tuple[str, str], Floor] = field(factory=dict)

    async def load(self, stream: str, consumer: str) -> Floor | None:
        """See AckFloors."""
        return self.floors.get((stream, consumer))

    async def keep(self, floor: Floor) -> Floor | None:
        """See AckFloors."""
        whose = (floor.stream, floor.consumer)
        former = self.floors.get(whose)
        kept = floor if former is None else floor.over(former)
        if kept is None:
            return None
        self.floors[whose] = kept
        return former
