"""What an operator or a disk does to a server: drained, emptied, purged, without JetStream."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from snapshot_conformance.message_source import eventually, fetch_count, sequences
from snapshot_domain.delivery import Ack, Delivery
from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_memory import MemoryAckFloors
from snapshot_nats import JetStreamSource, StreamShape, ensure_stream
from support.consumers import look
from support.nats_server import OwnNatsServer, Place, own_nats_server, place_on
from support.nats_users import SHIPPED_USERS
from support.waiting import until

PLENTY_BYTES = 1_000_000
AT_ONCE_SECONDS = 5.0


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[OwnNatsServer]:
    drains = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "1s"'
    async with own_nats_server(tmp_path, SHIPPED_USERS + drains) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def place(server: OwnNatsServer) -> AsyncIterator[Place]:
    async with place_on(server.access) as made:
        yield made


async def until_back(place: Place, source: JetStreamSource) -> None:
    async def is_back() -> bool:
        try:
            await source.check()
        except (Unavailable, Misconfigured):
            return False
        return place.client.is_connected

    await eventually(is_back)


async def misses_jetstream(call: Callable[[], Awaitable[object]]) -> bool:
    """Whether that is what the call says; while it reconnects it says something else."""
    try:
        await call()
    except (Unavailable, Misconfigured) as fault:
        return "JetStream" in str(fault)
    return False


async def until_it_comes(source: JetStreamSource, sequence: int) -> None:
    """A server that was killed may not know whom it sent what: others may come again before."""

    async def has_come() -> bool:
        return sequence in sequences(list(await source.fetch(100, PLENTY_BYTES)))

    await eventually(has_come)


async def settle(source: JetStreamSource, deliveries: Sequence[Delivery]) -> None:
    await source.settle([(delivery, Ack()) for delivery in deliveries])


async def test_a_request_ends_with_its_connection_and_not_by_its_timeout(
    server: OwnNatsServer, place: Place
) -> None:
    source = place.source(answer_timeout_s=30)
    await source.check()
    server.freeze()
    checking = asyncio.create_task(source.check())
    await until(lambda: bool(source._binding.connected()._resp_map))
    started = time.monotonic()
    server.kill()
    with pytest.raises(Unavailable):
        await checking
    assert time.monotonic() - started < AT_ONCE_SECONDS
    await server.start()


async def test_a_server_that_is_drained_is_unavailable_until_one_is_back(
    server: OwnNatsServer, place: Place
) -> None:
    source = place.source(floors=MemoryAckFloors())
    await place.publish(b"1", b"2")
    first = await fetch_count(source, 1, max_messages=1)
    server.drain()

    async def is_unavailable() -> bool:
        try:
            await settle(source, first)
        except Unavailable:
            return True
        return False

    await eventually(is_unavailable)
    server.kill()
    await server.start()
    await until_back(place, source)
    await until_it_comes(source, 2)


async def test_a_server_that_lost_its_disk_waits_for_the_poller_to_make_the_stream(
    server: OwnNatsServer, place: Place
) -> None:
    source = place.source(floors=MemoryAckFloors())
    await place.publish(b"1", b"2", b"3")
    before = await fetch_count(source, 3)
    await settle(source, before)
    server.kill()
    server.lose_disk()
    await server.start()

    async def misses_its_stream() -> bool:
        try:
            await source.check()
        except Unavailable:
            return False
        except Misconfigured as fault:
            return "the stream does not exist" in str(fault)
        return False

    await eventually(misses_its_stream)
    subjects = (f"{place.family}.>",)
    await ensure_stream(place.client, StreamShape(name=place.stream, subjects=subjects))
    await place.publish(b"1", b"2")
    await source.check()
    after = await fetch_count(source, 2)
    assert sequences(after) == [1, 2]
    assert after[0].origin.stream_created_at > before[0].origin.stream_created_at


async def test_a_purge_leaves_floor_and_consumer_in_order(place: Place) -> None:
    source = place.source(floors=MemoryAckFloors())
    await place.publish(*[b"x"] * 5)
    in_hand = await fetch_count(source, 2, max_messages=2)
    await place.jetstream.purge_stream(place.stream)
    await settle(source, in_hand)
    await place.publish(*[b"y"] * 2)
    assert sequences(await fetch_count(source, 2)) == [6, 7]
    floor = await look(source)
    assert (floor.sequence, floor.last_sequence, floor.pending) == (5, 7, 0)


async def test_without_jetstream_nothing_is_fetched_and_with_it_all_goes_on(
    server: OwnNatsServer, place: Place
) -> None:
    source = place.source(floors=MemoryAckFloors())
    await place.publish(b"1", b"2")
    [first] = await fetch_count(source, 1, max_messages=1)
    server.kill()
    await server.start(has_jetstream=False)
    await until(lambda: place.client.is_connected)
    await eventually(lambda: misses_jetstream(source.check))
    await eventually(lambda: misses_jetstream(lambda: source.fetch(1, PLENTY_BYTES)))
    server.kill()
    await server.start()
    await until_back(place, source)
    await settle(source, [first])
    await until_it_comes(source, 2)


async def test_a_consumer_that_was_ahead_of_a_stream_that_lost_its_end_passes_over_nothing(
    server: OwnNatsServer, place: Place, tmp_path: Path
) -> None:
    source = place.source(floors=MemoryAckFloors())
    await place.publish(*[b"x"] * 2)
    await settle(source, await fetch_count(source, 2))
    await place.until_unsettled(0)
    server.shut_down()
    server.back_up(tmp_path / "backup")
    await server.start()
    await until_back(place, source)
    await place.publish(*[b"x"] * 3)
    await settle(source, await fetch_count(source, 3))
    await place.until_unsettled(0)
    server.shut_down()
    server.restore(tmp_path / "backup", only="msgs")
    await server.start()
    await until_back(place, source)
    await place.publish(b"new")
    assert sequences(await fetch_count(source, 1)) == [3]
