"""A stream that was made again while its consumer was: no worker goes on in its middle."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from snapshot_conformance.message_source import eventually, fetch_count, sequences
from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_memory import MemoryAckFloors
from support.consumers import delete_consumer, look, make_stream_again
from support.nats_server import OwnNatsServer, Place, own_nats_server, place_on

PLENTY_BYTES = 1_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnNatsServer]:
    async with own_nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def place(server: OwnNatsServer) -> AsyncIterator[Place]:
    async with place_on(server.access) as made:
        yield made


async def make_consumer_of_former_stream(place: Place, start: int) -> None:
    """Leaves what a worker leaves that made it at that moment, and then looked no more."""
    former = (await place.jetstream.stream_info(place.stream)).created
    await make_stream_again(place)
    config = place.needs().config(place.durable, start, former)
    await place.jetstream.add_consumer(place.stream, config)


async def test_a_consumer_that_was_made_for_a_former_stream_is_made_again_from_the_start(
    place: Place,
) -> None:
    await make_consumer_of_former_stream(place, start=3)
    await place.publish(b"a", b"b", b"c")
    source = place.source(floors=MemoryAckFloors())
    with pytest.raises(Unavailable, match="made again"):
        await source.check()
    assert sequences(await fetch_count(source, 3)) == [1, 2, 3]


async def test_also_when_several_workers_see_it_at_once(place: Place) -> None:
    await make_consumer_of_former_stream(place, start=3)
    await place.publish(b"a", b"b", b"c")
    floors = MemoryAckFloors()
    sources = [place.source(floors=floors) for _ in range(4)]

    async def are_bound() -> bool:
        faults = await asyncio.gather(*(each.check() for each in sources), return_exceptions=True)
        assert all(isinstance(fault, Unavailable) for fault in faults if fault is not None)
        return not any(faults)

    await eventually(are_bound)
    assert sequences(await fetch_count(sources[0], 3)) == [1, 2, 3]


async def test_a_source_that_may_not_make_it_again_says_what_to_do(place: Place) -> None:
    await make_consumer_of_former_stream(place, start=3)
    with pytest.raises(Misconfigured, match=r"former stream.*delete it"):
        await place.source().check()


async def test_what_a_consumer_of_a_former_stream_says_is_no_floor(place: Place) -> None:
    source = place.source(floors=MemoryAckFloors())
    await source.check()
    await make_consumer_of_former_stream(place, start=3)
    with pytest.raises(Unavailable, match="made again"):
        await look(source)
    await place.publish(b"a", b"b", b"c")
    with pytest.raises(Unavailable, match="made again"):
        await source.fetch(1, PLENTY_BYTES)
    assert sequences(await fetch_count(source, 3)) == [1, 2, 3]


async def test_a_consumer_that_was_made_for_this_stream_stays(place: Place) -> None:
    source = place.source(floors=MemoryAckFloors())
    await delete_consumer(place)
    await source.check()
    made_at = (await place.info()).created
    await place.source(floors=MemoryAckFloors()).check()
    assert (await place.info()).created == made_at
