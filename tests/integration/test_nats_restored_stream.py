"""A stream that is restored from an older backup: what comes since is not taken for settled."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from attrs import define

from snapshot_conformance.message_source import eventually, fetch_count, sequences
from snapshot_domain.delivery import Ack
from snapshot_domain.errors import Unavailable
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.floor_watch import FloorWatch
from snapshot_memory import (
    MemoryAckFloors,
    MemoryMetrics,
    MemoryQuarantine,
    MemoryQuarantineReview,
)
from snapshot_nats import JetStreamSource
from support.consumers import delete_consumer
from support.nats_server import OwnNatsServer, Place, own_nats_server, place_on


@define
class Night:
    """A worker on a stream of which there is a backup that ends at sequence 4."""

    server: OwnNatsServer
    place: Place
    source: JetStreamSource
    floors: MemoryAckFloors
    backup: Path

    async def settle(self, count: int) -> None:
        deliveries = await fetch_count(self.source, count)
        await self.source.settle([(delivery, Ack()) for delivery in deliveries])
        await self.place.until_unsettled(0)

    async def look(self) -> None:
        review = MemoryQuarantineReview(MemoryQuarantine())
        watch = FloorWatch(self.source, self.floors, review, MemoryMetrics(), SystemClock())
        await watch.look()

    async def restore(self) -> None:
        self.server.kill()
        self.server.restore(self.backup)
        await self.restart()

    async def restart(self) -> None:
        await self.server.start()

        async def is_back() -> bool:
            try:
                await self.source.check()
            except Unavailable:
                return False
            return self.place.client.is_connected

        await eventually(is_back)


@pytest_asyncio.fixture(loop_scope="session")
async def night(tmp_path: Path) -> AsyncIterator[Night]:
    async with own_nats_server(tmp_path) as server, place_on(server.access) as place:
        floors = MemoryAckFloors()
        night = Night(server, place, place.source(floors=floors), floors, tmp_path / "backup")
        await place.publish(*(b"%d" % number for number in range(4)))
        await night.settle(4)
        server.shut_down()
        server.back_up(night.backup)
        await night.restart()
        await place.publish(*(b"%d" % number for number in range(6)))
        await night.settle(6)
        await night.look()
        yield night


async def test_a_look_after_it_keeps_a_later_consumer_from_passing_over_anything(
    night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    await night.restore()
    await night.look()
    assert "ends at sequence 4, and ended at 10 before" in caplog.text
    await night.place.publish(*(b"new %d" % number for number in range(8)))
    await night.look()
    await delete_consumer(night.place)
    again = await fetch_count(night.source, 8)
    assert sequences(again)[-8:] == [5, 6, 7, 8, 9, 10, 11, 12]


async def test_a_consumer_that_is_made_again_before_any_look_begins_at_the_start(
    night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    await night.restore()
    await delete_consumer(night.place)
    await night.source.check()
    assert "was it restored from a backup?" in caplog.text
    await night.place.publish(*(b"new %d" % number for number in range(8)))
    await night.look()
    await delete_consumer(night.place)
    assert sequences(await fetch_count(night.source, 12)) == list(range(1, 13))


async def test_a_consumer_that_outlived_it_goes_on_with_what_comes_since(night: Night) -> None:
    await night.restore()
    await night.place.publish(b"new")
    assert sequences(await fetch_count(night.source, 1)) == [5]
