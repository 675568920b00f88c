"""JetStreamSource and its server's bad days: killed, frozen, closing on us."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from snapshot_conformance.message_source import eventually, fetch_count
from snapshot_domain.delivery import Ack, Delivery
from snapshot_domain.errors import Unavailable
from snapshot_nats import JetStreamSource
from support.nats_server import OwnNatsServer, Place, own_nats_server, place_on
from support.waiting import until

PLENTY_BYTES = 1_000_000
AT_ONCE_SECONDS = 5.0


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[OwnNatsServer]:
    async with own_nats_server(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def place(server: OwnNatsServer) -> AsyncIterator[Place]:
    async with place_on(server.access) as made:
        yield made


async def fetch_after_outage(source: JetStreamSource) -> Sequence[Delivery]:
    """What the first fetch that works again returns."""
    found: list[Delivery] = []

    async def works() -> bool:
        try:
            found.extend(await source.fetch(10, PLENTY_BYTES))
        except Unavailable:
            return False
        return bool(found)

    await eventually(works)
    return found


async def until_connected(place: Place) -> None:
    async def holds() -> bool:
        return place.client.is_connected

    await eventually(holds)


async def test_a_fetch_ends_when_the_server_dies_and_the_next_works_again(
    server: OwnNatsServer, place: Place
) -> None:
    source = place.source(patience_s=30)
    fetching = asyncio.create_task(source.fetch(10, PLENTY_BYTES))
    await place.until_waiting()
    server.kill()
    async with asyncio.timeout(AT_ONCE_SECONDS):
        with pytest.raises(Unavailable, match="lost"):
            await fetching
    with pytest.raises(Unavailable):
        await source.fetch(10, PLENTY_BYTES)
    await server.start()
    await until_connected(place)
    await place.publish(b"afterwards")
    [delivery] = await fetch_after_outage(source)
    assert delivery.body.reveal() == b"afterwards"


async def test_a_client_outlives_more_failed_attempts_than_nats_py_would_make(
    server: OwnNatsServer, place: Place
) -> None:
    server.kill()
    await until(lambda: place.client.server_pool[0].reconnects > 61, seconds=30, every_seconds=0.05)
    assert not place.client.is_closed
    await server.start()
    await until_connected(place)


async def test_nothing_only_seems_to_be_settled_while_the_server_is_away(
    server: OwnNatsServer, place: Place
) -> None:
    source = place.source(answer_timeout_s=30)
    await place.publish(b"x")
    deliveries = await fetch_count(source, 1)
    server.freeze()
    settling = asyncio.create_task(source.settle([(delivery, Ack()) for delivery in deliveries]))
    await until(lambda: bool(source._binding.connected()._pongs))
    started = time.monotonic()
    server.kill()
    with pytest.raises(Unavailable):
        await settling
    assert time.monotonic() - started < AT_ONCE_SECONDS
    for call in (source.backlog(), source.check(), source.extend(deliveries)):
        with pytest.raises(Unavailable):
            await call


async def test_what_was_fetched_before_a_restart_can_be_settled_after_it(
    server: OwnNatsServer, place: Place
) -> None:
    source = place.source()
    await place.publish(b"x")
    [delivery] = await fetch_count(source, 1)
    server.kill()
    await server.start()
    await until_connected(place)

    async def settled() -> bool:
        try:
            await source.settle([(delivery, Ack())])
        except Unavailable:
            return False
        return True

    await eventually(settled)
    await place.until_unsettled(0)


async def test_a_frozen_server_is_unavailable_after_the_timeout_and_then_goes_on(
    server: OwnNatsServer, place: Place
) -> None:
    source = place.source(answer_timeout_s=0.5)
    await place.publish(b"x")
    [delivery] = await fetch_count(source, 1)
    server.freeze()
    started = time.monotonic()
    with pytest.raises(Unavailable, match="no answer in time"):
        await source.fetch(10, PLENTY_BYTES)
    with pytest.raises(Unavailable, match="no answer in time"):
        await source.settle([(delivery, Ack())])
    with pytest.raises(Unavailable, match="no answer in time"):
        await source.check()
    assert time.monotonic() - started < AT_ONCE_SECONDS
    server.thaw()
    await place.until_unsettled(0)
    await place.publish(b"y")
    [after] = await fetch_after_outage(source)
    assert after.body.reveal() == b"y"
    await source.settle([(after, Ack())])


async def test_an_answer_that_comes_too_late_hands_its_messages_to_the_next_fetches(
    server: OwnNatsServer, place: Place
) -> None:
    source = place.source(answer_timeout_s=0.5)
    await source.open()
    bodies = [letter * 1_000 for letter in (b"x", b"y", b"z")]
    await place.publish(*bodies)
    server.freeze()
    with pytest.raises(Unavailable):
        await source.fetch(10, PLENTY_BYTES)
    server.thaw()
    await place.until_unsettled(3)
    for body, max_messages, max_bytes in zip(
        bodies, (1, 10, 10), (PLENTY_BYTES, 1_500, 500), strict=True
    ):
        [delivery] = await source.fetch(max_messages, max_bytes)
        assert delivery.body.reveal() == body
        assert delivery.attempt == 1


async def test_a_late_answer_to_a_flush_does_not_end_the_connection(
    server: OwnNatsServer, place: Place
) -> None:
    """With nats-py's own client the read loop ends, and settling then only seems to work."""
    server.freeze()
    with pytest.raises(TimeoutError):
        await place.client.flush(1)
    server.thaw()
    await place.client.flush(5)
    await place.publish(b"it still reads answers")


async def test_a_client_that_the_server_closed_for_good_is_replaced(place: Place) -> None:
    source = place.source()
    await place.publish(b"x")
    [delivery] = await fetch_count(source, 1)
    client = source._binding.connected()
    assert client._transport is not None
    client._transport.write(b"NONSENSE\r\n")  # answered with an -ERR, which ends a nats-py client

    async def is_closed() -> bool:
        return client.is_closed

    await eventually(is_closed)
    with pytest.raises(Unavailable):
        await source.settle([(delivery, Ack())])
    await place.publish(b"y")
    [after] = await fetch_after_outage(source)
    assert after.body.reveal() == b"y"
    await source.settle([(delivery, Ack()), (after, Ack())])
    await place.until_unsettled(0)


async def test_closing_a_source_whose_server_is_away_just_ends(
    server: OwnNatsServer, place: Place
) -> None:
    source = place.source(answer_timeout_s=1)
    await source.open()
    server.kill()
    async with asyncio.timeout(AT_ONCE_SECONDS):
        await source.close()


async def test_closing_a_source_whose_server_is_frozen_ends_in_time(
    server: OwnNatsServer, place: Place
) -> None:
    source = place.source(answer_timeout_s=0.5)
    await source.open()
    server.freeze()
    async with asyncio.timeout(AT_ONCE_SECONDS):
        await source.close()
    server.thaw()


async def test_a_source_whose_server_comes_up_later_heals_by_itself(
    server: OwnNatsServer, place: Place
) -> None:
    await place.publish(b"x")
    server.kill()
    source = place.source()
    with pytest.raises(Unavailable, match="no NATS server answered"):
        await source.open()
    await server.start()
    [delivery] = await fetch_after_outage(source)
    assert delivery.body.reveal() == b"x"
