"""The contract of FloorSource, for any adapter to subclass."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from snapshot_conformance.message_source import eventually, fetch_count
from snapshot_domain.delivery import Ack, Discard, Retry
from snapshot_domain.ports import Floor, FloorSource, MessageSource
from snapshot_domain.secret import RawMessage

NOW = datetime(2026, 4, 2, 6, 15, 9, 250_001, tzinfo=UTC)


class SourceWithFloor(MessageSource, FloorSource, Protocol):
    """A source whose floor is looked at."""


class FloorSourceHarness(Protocol):
    """A source under test, with an empty stream of its own."""

    @property
    def source(self) -> SourceWithFloor:
        """The source under test."""
        ...

    async def publish(self, body: RawMessage) -> int:
        """Puts the body on the stream, without the source under test; returns its sequence."""
        ...


class FloorSourceContract:
    """What every FloorSource promises. A subclass defines the fixture `harness`."""

    async def test_nothing_is_settled_at_first(self, harness: FloorSourceHarness) -> None:
        floor = await harness.source.floor(NOW)
        assert (floor.sequence, floor.delivered_sequence, floor.deliveries) == (0, 0, 0)
        assert (floor.pending, floor.last_sequence) == (0, 0)
        assert floor.at == NOW

    async def test_it_tells_what_waits_and_what_was_delivered(
        self, harness: FloorSourceHarness
    ) -> None:
        for number in range(5):
            await harness.publish(RawMessage(b"%d" % number))
        await fetch_count(harness.source, 3, max_messages=3)
        floor = await harness.source.floor(NOW)
        assert (floor.sequence, floor.delivered_sequence, floor.deliveries) == (0, 3, 3)
        assert (floor.pending, floor.first_sequence, floor.last_sequence) == (2, 1, 5)

    async def test_the_floor_is_below_the_first_that_is_not_settled(
        self, harness: FloorSourceHarness
    ) -> None:
        for number in range(4):
            await harness.publish(RawMessage(b"%d" % number))
        first, second, third, fourth = await fetch_count(harness.source, 4)
        await harness.source.settle([(second, Ack()), (fourth, Discard())])
        await self._eventually_floor(harness, 0)
        await harness.source.settle([(first, Ack())])
        await self._eventually_floor(harness, 2)
        await harness.source.settle([(third, Discard())])
        await self._eventually_floor(harness, 4)

    async def test_a_redelivery_counts_as_a_delivery_and_settles_nothing(
        self, harness: FloorSourceHarness
    ) -> None:
        await harness.publish(RawMessage(b"x"))
        [first] = await fetch_count(harness.source, 1)
        await harness.source.settle([(first, Retry(timedelta(0)))])
        await fetch_count(harness.source, 1)
        floor = await harness.source.floor(NOW)
        assert (floor.sequence, floor.delivered_sequence, floor.deliveries) == (0, 1, 2)

    async def test_stream_and_consumer_are_the_same_at_every_look(
        self, harness: FloorSourceHarness
    ) -> None:
        def whose(floor: Floor) -> tuple[object, ...]:
            return (
                floor.stream,
                floor.stream_created_at,
                floor.consumer,
                floor.consumer_created_at,
            )

        before = await harness.source.floor(NOW)
        await harness.publish(RawMessage(b"x"))
        [delivery] = await fetch_count(harness.source, 1)
        assert whose(await harness.source.floor(NOW)) == whose(before)
        assert delivery.origin.stream == before.stream
        assert delivery.origin.stream_created_at == before.stream_created_at

    async def _eventually_floor(self, harness: FloorSourceHarness, sequence: int) -> None:
        async def holds() -> bool:
            return (await harness.source.floor(NOW)).sequence == sequence

        await eventually(holds)
