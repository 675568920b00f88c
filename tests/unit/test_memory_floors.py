"""The memory adapters keep the contracts of AckFloors and FloorSource."""

import pytest
from attrs import field, frozen

from snapshot_conformance.ack_floors import AckFloorsContract
from snapshot_conformance.floor_source import FloorSourceContract
from snapshot_domain.secret import RawMessage
from snapshot_memory import ManualClock, MemoryAckFloors, MemoryMessageSource
from support.messages import MORNING


class TestMemoryAckFloors(AckFloorsContract):
    @pytest.fixture
    async def floors(self) -> MemoryAckFloors:
        return MemoryAckFloors()


@frozen
class MemoryHarness:
    source: MemoryMessageSource = field(factory=lambda: MemoryMessageSource(ManualClock(MORNING)))

    async def publish(self, body: RawMessage) -> int:
        return self.source.publish("config.snapshot.create.x", body)


class TestMemoryFloorSource(FloorSourceContract):
    @pytest.fixture
    async def harness(self) -> MemoryHarness:
        return MemoryHarness()
