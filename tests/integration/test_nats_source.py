"""JetStreamSource on a real server, beyond the contract: pulls, leftovers, odd consumers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from nats.js.api import AckPolicy, ConsumerConfig

from snapshot_conformance.message_source import fetch_count
from snapshot_domain.delivery import Ack, Retry
from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_nats import ConsumerNeeds, SafeClient, StreamShape, ensure_consumer, ensure_stream
from snapshot_nats.transport import WideTransport
from support.calls import calls_of
from support.nats_server import OwnNatsServer, Place, own_nats_server, place_on
from support.waiting import until

PLENTY_BYTES = 1_000_000
AT_ONCE_SECONDS = 5.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnNatsServer]:
    async with own_nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def place(server: OwnNatsServer) -> AsyncIterator[Place]:
    async with place_on(server.access) as made:
        yield made


async def test_a_backlog_comes_in_full_batches(place: Place) -> None:
    await place.publish(*[b"x"] * 25)
    source = place.source()
    sizes = [len(await source.fetch(10, PLENTY_BYTES)) for _ in range(3)]
    assert sizes == [10, 10, 5]


async def test_a_batch_costs_one_pull_and_one_round_trip_to_settle(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.publish(*[b"x"] * 50)
    source = place.source()
    await source.fetch(10, PLENTY_BYTES)  # it connects, and looks at stream and consumer
    said = calls_of(monkeypatch, SafeClient, "publish", "flush", "request")
    deliveries = await source.fetch(40, PLENTY_BYTES)
    assert said == ["publish"]
    await source.settle([(delivery, Ack()) for delivery in deliveries])
    assert said == ["publish", *["publish"] * 40, "flush"]


async def test_a_large_batch_is_read_in_large_pieces(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.publish(*[b"x" * 100_000] * 30)
    source = place.source()
    await source.fetch(1, PLENTY_BYTES)
    pieces: list[int] = []
    driver = WideTransport.read

    async def read(transport: WideTransport, buffer_size: int) -> bytes:
        content = await driver(transport, buffer_size)
        pieces.append(len(content))
        return content

    monkeypatch.setattr(WideTransport, "read", read)
    assert len(await fetch_count(source, 29)) == 29
    assert max(pieces) > 2 * 32_768
    assert len(pieces) < 2_900_000 / 32_768 / 2


async def test_a_byte_bound_leaves_the_rest_on_the_stream_for_others(place: Place) -> None:
    await place.publish(*[b"x" * 1_000] * 8)
    deliveries = await place.source().fetch(100, 3_500)
    assert 1 <= len(deliveries) <= 3
    info = await place.info()
    assert info.num_ack_pending == len(deliveries)
    assert info.num_pending == 8 - len(deliveries)


async def test_a_waiting_fetch_takes_what_else_has_come_with_the_first(
    server: OwnNatsServer, place: Place
) -> None:
    source = place.source(patience_s=30)
    fetching = asyncio.create_task(source.fetch(10, PLENTY_BYTES))
    await until(lambda: source._inbox._pulls == 2)  # the first one wanted what was there
    await place.until_waiting()
    started = time.monotonic()
    subject = place.subject.encode()
    await server.send_raw(b"PUB %s 3\r\none\r\nPUB %s 3\r\ntwo\r\n" % (subject, subject))
    deliveries = await fetching
    assert time.monotonic() - started < AT_ONCE_SECONDS
    assert [delivery.body.reveal() for delivery in deliveries] == [b"one", b"two"]


async def test_a_consumer_that_has_all_unsettled_that_it_may_gives_nothing_and_is_no_fault(
    place: Place,
) -> None:
    needs = ConsumerNeeds(max_ack_pending=3)
    await place.jetstream.delete_consumer(place.stream, place.durable)
    await ensure_consumer(place.client, place.stream, place.durable, place.needs(needs))
    await place.publish(*[b"x"] * 9)
    dead, source = place.source(needs), place.source(needs)
    started = time.monotonic()
    deliveries = await dead.fetch(10, PLENTY_BYTES)
    assert len(deliveries) == 3
    for _ in range(3):
        assert list(await source.fetch(2, PLENTY_BYTES)) == []
    assert time.monotonic() - started < AT_ONCE_SECONDS
    await dead.settle([(each, Retry(timedelta(0))) for each in deliveries])
    again = await fetch_count(source, 2, max_messages=2)
    assert [delivery.attempt for delivery in again] == [2, 2]
    assert (await place.info()).num_waiting == 0


async def test_a_large_message_that_ends_a_wait_comes_alone(place: Place) -> None:
    source = place.source(patience_s=10)
    fetching = asyncio.create_task(source.fetch(10, 1_000))
    await place.until_waiting()
    await place.publish(b"x" * 5_000, b"small")
    assert [delivery.body.size_bytes for delivery in await fetching] == [5_000]
    assert [delivery.body.size_bytes for delivery in await source.fetch(10, 1_000)] == [5]


async def test_only_one_fetch_may_be_under_way(place: Place) -> None:
    source = place.source(patience_s=10)
    fetching = asyncio.create_task(source.fetch(1, PLENTY_BYTES))
    await place.until_waiting()
    with pytest.raises(RuntimeError, match="under way"):
        await source.fetch(1, PLENTY_BYTES)
    await place.publish(b"x")
    assert len(await fetching) == 1


async def test_what_a_cancelled_fetch_asked_for_the_next_one_returns(place: Place) -> None:
    source = place.source(patience_s=10)
    fetching = asyncio.create_task(source.fetch(10, PLENTY_BYTES))
    await place.until_waiting()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    await place.publish(b"late")
    await place.until_unsettled(1)
    [delivery] = await fetch_count(source, 1)
    assert delivery.body.reveal() == b"late"
    assert delivery.attempt == 1


async def test_closing_gives_back_at_once_what_nobody_fetched(place: Place) -> None:
    source = place.source(patience_s=10)
    fetching = asyncio.create_task(source.fetch(10, PLENTY_BYTES))
    await place.until_waiting()
    fetching.cancel()
    await asyncio.wait([fetching])
    await place.publish(b"late")
    await place.until_unsettled(1)
    started = time.monotonic()
    await source.close()
    [again] = await fetch_count(place.source(), 1)
    assert time.monotonic() - started < AT_ONCE_SECONDS
    assert again.attempt == 2


async def test_a_closed_source_says_so(place: Place) -> None:
    source = place.source()
    await source.open()
    await source.close()
    await source.close()
    with pytest.raises(Unavailable):
        await source.fetch(1, PLENTY_BYTES)
    with pytest.raises(Unavailable):
        await source.check()


async def test_a_delivery_fetched_by_one_source_can_be_settled_by_another(place: Place) -> None:
    await place.publish(b"x")
    first, second = place.source(), place.source()
    [delivery] = await fetch_count(first, 1)
    await first.close()
    await second.open()
    await second.settle([(delivery, Ack())])
    await place.until_unsettled(0)


async def test_a_message_that_waits_for_a_retry_counts_as_unsettled(place: Place) -> None:
    await place.publish(b"x")
    source = place.source()
    [delivery] = await fetch_count(source, 1)
    await source.settle([(delivery, Retry(timedelta(hours=1)))])
    backlog = await source.backlog()
    assert (backlog.pending, backlog.unsettled) == (0, 1)


async def test_a_missing_consumer_is_misconfigured_until_it_is_made(place: Place) -> None:
    source = place.source()
    await source.open()
    await place.jetstream.delete_consumer(place.stream, place.durable)
    for _ in range(2):
        with pytest.raises(Misconfigured, match="provision"):
            await source.fetch(1, PLENTY_BYTES)
    with pytest.raises(Misconfigured, match="provision"):
        await source.backlog()
    await ensure_consumer(place.client, place.stream, place.durable, place.needs())
    await place.publish(b"x")
    assert len(await fetch_count(source, 1)) == 1


async def test_a_consumer_deleted_during_a_fetch_ends_it_at_once(place: Place) -> None:
    source = place.source(patience_s=30)
    fetching = asyncio.create_task(source.fetch(1, PLENTY_BYTES))
    await place.until_waiting()
    await place.jetstream.delete_consumer(place.stream, place.durable)
    async with asyncio.timeout(AT_ONCE_SECONDS):
        with pytest.raises(Misconfigured, match="the consumer does not exist"):
            await fetching


async def test_a_missing_stream_is_misconfigured(place: Place) -> None:
    await place.jetstream.delete_stream(place.stream)
    with pytest.raises(Misconfigured, match=r"the stream does not exist.*provision"):
        await place.source().open()
    await ensure_stream(
        place.client, StreamShape(name=place.stream, subjects=(f"{place.family}.>",))
    )


async def test_a_stream_made_again_has_another_origin(place: Place) -> None:
    source = place.source()
    await place.publish(b"before")
    [before] = await fetch_count(source, 1)
    await place.jetstream.delete_stream(place.stream)
    with pytest.raises(Misconfigured):
        await source.fetch(1, PLENTY_BYTES)
    await ensure_stream(
        place.client, StreamShape(name=place.stream, subjects=(f"{place.family}.>",))
    )
    await ensure_consumer(place.client, place.stream, place.durable, place.needs())
    await place.publish(b"after")
    [after] = await fetch_count(source, 1)
    assert after.origin.sequence == before.origin.sequence == 1
    assert after.origin.stream_created_at > before.received_at
    assert after.origin != before.origin


async def test_a_stream_made_again_unnoticed_is_noticed_by_its_first_delivery(
    place: Place,
) -> None:
    source = place.source()
    await place.publish(b"before")
    [before] = await fetch_count(source, 1)
    await place.jetstream.delete_stream(place.stream)
    await ensure_stream(
        place.client, StreamShape(name=place.stream, subjects=(f"{place.family}.>",))
    )
    await ensure_consumer(place.client, place.stream, place.durable, place.needs())
    await place.publish(b"first after")
    [first] = await fetch_count(source, 1)
    await place.publish(b"second after")
    [second] = await fetch_count(source, 1)
    assert first.received_at > before.received_at
    assert second.origin.stream_created_at > before.received_at


async def test_a_consumer_that_forbids_our_batch_is_misconfigured(place: Place) -> None:
    await place.jetstream.delete_consumer(place.stream, place.durable)
    await make_raw_consumer(place, max_batch=2)
    with pytest.raises(Misconfigured, match="forbids"):
        await place.source().fetch(10, PLENTY_BYTES)


async def test_a_consumer_with_too_many_waiting_is_unavailable(place: Place) -> None:
    await place.jetstream.delete_consumer(place.stream, place.durable)
    await make_raw_consumer(place, max_waiting=1)
    waiting = asyncio.create_task(place.source(patience_s=10).fetch(1, PLENTY_BYTES))
    await place.until_waiting()
    with pytest.raises(Unavailable, match="busy"):
        await place.source().fetch(1, PLENTY_BYTES)
    await place.publish(b"x")
    assert len(await waiting) == 1


async def test_a_consumer_that_becomes_a_push_consumer_is_misconfigured(place: Place) -> None:
    source = place.source()
    await source.open()
    await place.jetstream.delete_consumer(place.stream, place.durable)
    await place.jetstream.add_consumer(
        place.stream,
        ConsumerConfig(
            durable_name=place.durable,
            filter_subject=f"{place.family}.>",
            ack_policy=AckPolicy.EXPLICIT,
            deliver_subject="elsewhere",
        ),
    )
    with pytest.raises(Misconfigured, match="push consumer"):
        await source.fetch(1, PLENTY_BYTES)


async def make_raw_consumer(place: Place, **limits: int) -> None:
    """Makes the consumer with settings that nats-py has no names for."""
    config = {
        "durable_name": place.durable,
        "filter_subject": f"{place.family}.>",
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "ack_wait": 30_000_000_000,
        "max_ack_pending": 10_000,
        **limits,
    }
    answer = await place.client.request(
        f"$JS.API.CONSUMER.DURABLE.CREATE.{place.stream}.{place.durable}",
        json.dumps({"stream_name": place.stream, "config": config}).encode(),
        timeout=5,
    )
    assert b'"error"' not in answer.data
