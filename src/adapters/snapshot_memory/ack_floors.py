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

    async def keep(self, floor: Floor, known: Floor | None) -> bool:
        """See AckFloors."""
        key = (floor.stream, floor.consumer)
        if self.floors.get(key) != known:
            return False
        self.floors[key] = floor.over(known)
        return True
