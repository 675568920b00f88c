"""The contract of MessageSource, for any adapter to subclass.

A subclass defines the fixture `harness`, and that is all: what it inherits says what the
port means. The harness looks around the source (`state`), so that a source is never checked
against its own word alone.
"""

from datetime import timedelta

import pytest

from snapshot_conformance.message_source_harness import (
    A_LONG_TIME,
    MARKER,
    NOTHING_LEFT,
    PLENTY_BYTES,
    MessageSourceHarness,
    RawState,
    body_number,
    eventually,
    fetch_count,
    sequences,
)
from snapshot_domain.delivery import Ack, Delivery, Discard, Retry
from snapshot_domain.secret import RawMessage

__all__ = [
    "A_LONG_TIME",
    "MARKER",
    "NOTHING_LEFT",
    "PLENTY_BYTES",
    "MessageSourceContract",
    "MessageSourceHarness",
    "RawState",
    "body_number",
    "eventually",
    "fetch_count",
    "sequences",
]


class MessageSourceContract:
    """What every MessageSource promises. A subclass defines the fixture `harness`."""

    async def published(
        self, harness: MessageSourceHarness, count: int, size_bytes: int = 100
    ) -> list[int]:
        """Publishes that many numbered bodies and returns their sequences."""
        return [
            await harness.publish(harness.subject, body_number(number, size_bytes))
            for number in range(count)
        ]

    async def test_an_empty_stream_gives_nothing(self, harness: MessageSourceHarness) -> None:
        assert list(await harness.source.fetch(10, PLENTY_BYTES)) == []

    async def test_a_message_is_delivered_as_it_was_published(
        self, harness: MessageSourceHarness
    ) -> None:
        body = body_number(1)
        sequence = await harness.publish(harness.subject, body)
        [delivery] = await fetch_count(harness.source, 1)
        assert delivery.body.reveal() == body.reveal()
        assert delivery.subject == harness.subject
        assert delivery.origin.sequence == sequence
        assert delivery.attempt == 1

    async def test_an_empty_body_is_delivered_too(self, harness: MessageSourceHarness) -> None:
        await harness.publish(harness.subject, RawMessage(b""))
        [delivery] = await fetch_count(harness.source, 1)
        assert delivery.body.size_bytes == 0

    async def test_times_are_in_utc(self, harness: MessageSourceHarness) -> None:
        await self.published(harness, 1)
        [delivery] = await fetch_count(harness.source, 1)
        assert delivery.received_at.utcoffset() == timedelta(0)
        assert delivery.origin.stream_created_at.utcoffset() == timedelta(0)
        assert delivery.origin.stream_created_at <= delivery.received_at

    async def test_messages_come_in_the_order_of_their_sequences(
        self, harness: MessageSourceHarness
    ) -> None:
        published = await self.published(harness, 25)
        deliveries = await fetch_count(harness.source, 25, max_messages=10)
        assert sequences(deliveries) == published == sorted(published)

    async def test_a_fetch_keeps_to_max_messages(self, harness: MessageSourceHarness) -> None:
        await self.published(harness, 5)
        assert len(await harness.source.fetch(3, PLENTY_BYTES)) <= 3
        assert (await harness.state()).pending >= 2

    async def test_a_fetch_keeps_to_max_bytes(self, harness: MessageSourceHarness) -> None:
        await self.published(harness, 6, size_bytes=1_000)
        deliveries: list[Delivery] = []
        while len(deliveries) < 6:
            batch = await harness.source.fetch(100, 3_500)
            assert 0 < sum(delivery.body.size_bytes for delivery in batch) <= 3_500
            deliveries += batch
        assert len(deliveries) == 6

    @pytest.mark.parametrize("place", [0, 1, 2])
    async def test_a_message_larger_than_max_bytes_comes_alone(
        self, harness: MessageSourceHarness, place: int
    ) -> None:
        sizes = [100, 100]
        sizes.insert(place, 5_000)
        for number, size_bytes in enumerate(sizes):
            await harness.publish(harness.subject, body_number(number, size_bytes))
        batches: list[list[int]] = []
        while sum(map(len, batches)) < 3:
            batch = await harness.source.fetch(100, 2_000)
            assert batch
            batches.append([delivery.body.size_bytes for delivery in batch])
        large = body_number(0, 5_000).size_bytes
        assert [large] in batches

    async def test_what_was_acknowledged_never_comes_again(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 3)
        deliveries = await fetch_count(harness.source, 3)
        await harness.source.settle([(delivery, Ack()) for delivery in deliveries])
        await self.assert_nothing_left(harness)

    async def test_what_was_discarded_never_comes_again(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 3)
        deliveries = await fetch_count(harness.source, 3)
        await harness.source.settle([(delivery, Discard()) for delivery in deliveries])
        await self.assert_nothing_left(harness)

    async def test_what_was_not_settled_comes_again_after_its_deadline(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 2)
        first = await fetch_count(harness.source, 2)
        assert list(await harness.source.fetch(10, PLENTY_BYTES)) == []
        await harness.pass_time(harness.ack_wait)
        second = await fetch_count(harness.source, 2)
        assert [delivery.origin for delivery in second] == [delivery.origin for delivery in first]
        assert [delivery.received_at for delivery in second] == [
            delivery.received_at for delivery in first
        ]
        assert [delivery.attempt for delivery in second] == [2, 2]
        assert [delivery.body.reveal() for delivery in second] == [
            delivery.body.reveal() for delivery in first
        ]

    async def test_a_retry_with_delay_zero_comes_again_at_once(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 1)
        for attempt in (1, 2, 3):
            [delivery] = await fetch_count(harness.source, 1)
            assert delivery.attempt == attempt
            await harness.source.settle([(delivery, Retry(timedelta(0)))])

    async def test_a_retry_comes_again_after_its_delay_and_not_before(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 1)
        [delivery] = await fetch_count(harness.source, 1)
        delay = harness.ack_wait / 2
        await harness.source.settle([(delivery, Retry(delay))])
        assert list(await harness.source.fetch(10, PLENTY_BYTES)) == []
        await harness.pass_time(delay)
        [again] = await fetch_count(harness.source, 1)
        assert again.origin == delivery.origin
        assert again.attempt == 2

    async def test_a_retry_may_wait_longer_than_a_deadline(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 1)
        [delivery] = await fetch_count(harness.source, 1)
        await harness.source.settle([(delivery, Retry(A_LONG_TIME))])
        await harness.pass_time(harness.ack_wait)
        assert list(await harness.source.fetch(10, PLENTY_BYTES)) == []
        assert await harness.state() == RawState(pending=0, unsettled=1)

    async def test_each_of_a_batch_is_settled_in_its_own_way(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 4)
        acked, discarded, at_once, _ = deliveries = await fetch_count(harness.source, 4)
        await harness.source.settle(
            [(acked, Ack()), (at_once, Retry(timedelta(0))), (discarded, Discard())]
        )
        [again] = await fetch_count(harness.source, 1)
        assert again.origin == at_once.origin
        await harness.source.settle([(again, Ack())])
        await self.eventually_state(harness, RawState(pending=0, unsettled=1))
        await harness.pass_time(harness.ack_wait)
        [left] = await fetch_count(harness.source, 1)
        assert left.origin == deliveries[3].origin

    async def test_an_extended_delivery_gets_its_whole_deadline_anew(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 1)
        [delivery] = await fetch_count(harness.source, 1)
        await harness.pass_time(harness.ack_wait * 0.6)
        await harness.source.extend([delivery])
        await harness.pass_time(harness.ack_wait * 0.6)
        assert list(await harness.source.fetch(10, PLENTY_BYTES)) == []
        await harness.pass_time(harness.ack_wait)
        [again] = await fetch_count(harness.source, 1)
        assert again.attempt == 2

    async def test_a_settlement_after_the_deadline_still_holds(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 1)
        [late] = await fetch_count(harness.source, 1)
        await harness.pass_time(harness.ack_wait)
        await fetch_count(harness.source, 1)
        await harness.source.settle([(late, Ack())])
        await self.assert_nothing_left(harness)

    async def test_settling_and_extending_nothing_is_fine(
        self, harness: MessageSourceHarness
    ) -> None:
        await harness.source.settle([])
        await harness.source.extend([])

    async def test_two_sources_share_what_there_is(self, harness: MessageSourceHarness) -> None:
        other = await harness.another_source()
        published = await self.published(harness, 4)
        mine = list(await harness.source.fetch(2, PLENTY_BYTES))
        theirs = list(await other.fetch(2, PLENTY_BYTES))
        assert len(mine) == len(theirs) == 2
        assert sorted(sequences(mine + theirs)) == published
        await other.settle([(delivery, Ack()) for delivery in theirs])
        await harness.source.settle([(delivery, Ack()) for delivery in mine])
        await self.assert_nothing_left(harness)

    async def test_what_one_source_gave_back_another_gets(
        self, harness: MessageSourceHarness
    ) -> None:
        other = await harness.another_source()
        await self.published(harness, 1)
        [delivery] = await fetch_count(harness.source, 1)
        await harness.source.settle([(delivery, Retry(timedelta(0)))])
        [again] = await fetch_count(other, 1)
        assert again.origin == delivery.origin

    async def test_the_backlog_of_an_empty_stream_is_empty(
        self, harness: MessageSourceHarness
    ) -> None:
        backlog = await harness.source.backlog()
        assert backlog.is_empty
        assert backlog.oldest_at is None

    async def test_the_backlog_tells_pending_from_unsettled_and_redelivered(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 3)
        first, _ = await fetch_count(harness.source, 2, max_messages=2)
        await harness.source.settle([(first, Retry(timedelta(0)))])
        [again] = await harness.source.fetch(1, PLENTY_BYTES)
        assert again.origin == first.origin
        backlog = await harness.source.backlog()
        assert (backlog.pending, backlog.unsettled, backlog.redelivered) == (1, 2, 1)
        assert not backlog.is_empty

    async def test_the_backlog_knows_since_when_the_oldest_waits(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 3)
        oldest, second, third = await fetch_count(harness.source, 3)
        await self.assert_oldest(harness, oldest)
        await harness.source.settle([(second, Ack())])
        await self.assert_oldest(harness, oldest)
        await harness.source.settle([(oldest, Ack())])
        await self.eventually_state(harness, RawState(pending=0, unsettled=1))
        await self.assert_oldest(harness, third)

    async def test_the_backlog_is_empty_once_all_is_settled(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 2)
        acked, discarded = await fetch_count(harness.source, 2)
        assert not (await harness.source.backlog()).is_empty
        await harness.source.settle([(acked, Ack()), (discarded, Discard())])
        await self.eventually_state(harness, NOTHING_LEFT)
        assert (await harness.source.backlog()).is_empty

    async def test_a_source_that_answers_passes_its_check(
        self, harness: MessageSourceHarness
    ) -> None:
        await harness.source.check()

    async def test_a_delivery_shows_nothing_of_its_body(
        self, harness: MessageSourceHarness
    ) -> None:
        await self.published(harness, 1)
        [delivery] = await fetch_count(harness.source, 1)
        assert MARKER in delivery.body.reveal()
        shown = f"{delivery!r} {delivery} {delivery.receipt!r}"
        assert MARKER.decode() not in shown

    async def assert_nothing_left(self, harness: MessageSourceHarness) -> None:
        """Asserts that the stream holds nothing for us, and that nothing comes again."""
        await self.eventually_state(harness, NOTHING_LEFT)
        await harness.pass_time(harness.ack_wait)
        assert list(await harness.source.fetch(10, PLENTY_BYTES)) == []

    async def assert_oldest(self, harness: MessageSourceHarness, delivery: Delivery) -> None:
        """Asserts that the backlog says this delivery is the oldest, to the microsecond."""
        backlog = await harness.source.backlog()
        assert backlog.oldest_at is not None
        assert abs(backlog.oldest_at - delivery.received_at) <= timedelta(microseconds=1)

    async def eventually_state(self, harness: MessageSourceHarness, state: RawState) -> None:
        """Waits until the stream says so: it may take notice after the settlement returned."""

        async def holds() -> bool:
            return await harness.state() == state

        await eventually(holds)
