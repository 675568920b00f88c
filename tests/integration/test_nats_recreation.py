"""A consumer that was deleted, on a real server: from where it is made again, and by whom."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

import pytest
import pytest_asyncio
from attrs import evolve
from nats.aio.msg import Msg
from nats.js.api import DeliverPolicy
from nats.js.errors import NotFoundError

from snapshot_conformance.message_source import eventually, fetch_count, sequences
from snapshot_domain.delivery import Ack
from snapshot_domain.errors import Dependency, Misconfigured, Unavailable
from snapshot_domain.ports import Floor
from snapshot_domain.tasks import cancel
from snapshot_memory import MemoryAckFloors
from snapshot_nats import JetStreamSource, StreamShape, ensure_stream, floor_name
from support.consumers import delete_consumer, look, make_stream_again, settle_some
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


class FloorsAmid(MemoryAckFloors):
    """Floors at whose first load something else happens on the server."""

    amid: Callable[[], Awaitable[None]] | None = None

    async def load(self, stream: str, consumer: str) -> Floor | None:
        floor = await super().load(stream, consumer)
        if self.amid is not None:
            happening, self.amid = self.amid, None
            await happening()
        return floor


class FloorsOutOfReach(MemoryAckFloors):
    """Floors that cannot be read now."""

    async def load(self, stream: str, consumer: str) -> Floor | None:
        raise Unavailable(Dependency.REPOSITORY, f"no floor of {consumer} of {stream} now")


async def test_it_is_made_again_after_the_floor(place: Place) -> None:
    floors = MemoryAckFloors()
    source = place.source(floors=floors)
    await floors.keep(await settle_some(place, source, published=10, settled=6), None)
    await delete_consumer(place)
    again = await fetch_count(source, 4)
    assert sequences(again) == [7, 8, 9, 10]
    config = (await place.info()).config
    assert config.opt_start_seq == 7
    assert config.max_ack_pending == 10_000


async def test_without_a_floor_it_is_made_again_from_the_start(place: Place) -> None:
    source = place.source(floors=MemoryAckFloors())
    await settle_some(place, source, published=4, settled=2)
    await delete_consumer(place)
    assert sequences(await fetch_count(source, 4)) == [1, 2, 3, 4]


async def test_a_floor_of_a_former_stream_of_that_name_is_not_used(place: Place) -> None:
    floors = MemoryAckFloors()
    source = place.source(floors=floors)
    await floors.keep(await settle_some(place, source, published=3, settled=2), None)
    await make_stream_again(place)
    await place.publish(b"a", b"b", b"c")
    assert sequences(await fetch_count(place.source(floors=floors), 3)) == [1, 2, 3]


async def test_a_floor_of_before_the_stream_lost_its_end_is_not_used(place: Place) -> None:
    floors = MemoryAckFloors()
    source = place.source(floors=floors)
    floor = await settle_some(place, source, published=3, settled=2)
    await floors.keep(evolve(floor, last_sequence=4), None)
    await delete_consumer(place)
    assert sequences(await fetch_count(source, 3)) == [1, 2, 3]


async def test_a_floor_at_the_streams_last_sequence_is_used(place: Place) -> None:
    floors = MemoryAckFloors()
    source = place.source(floors=floors)
    await floors.keep(await settle_some(place, source, published=3, settled=3), None)
    await delete_consumer(place)
    await source.check()
    await place.publish(b"next")
    assert sequences(await fetch_count(source, 1)) == [4]


async def test_a_floor_that_cannot_be_read_is_waited_for(place: Place) -> None:
    await delete_consumer(place)
    with pytest.raises(Unavailable, match="repository: no floor"):
        await place.source(floors=FloorsOutOfReach()).check()
    with pytest.raises(NotFoundError):
        await place.info()


async def test_a_fetch_that_is_cancelled_while_the_floor_is_read_leaves_the_source_as_it_was(
    place: Place,
) -> None:
    floors = FloorsAmid()
    source = place.source(floors=floors)
    reached = asyncio.Event()

    async def never_answers() -> None:
        reached.set()
        await asyncio.Event().wait()

    floors.amid = never_answers
    await delete_consumer(place)
    fetching = asyncio.create_task(source.fetch(1, PLENTY_BYTES))
    await reached.wait()
    await cancel(fetching)
    await place.publish(b"x")
    assert sequences(await fetch_count(source, 1)) == [1]


async def test_a_missing_stream_stays_misconfigured(place: Place) -> None:
    source = place.source(floors=MemoryAckFloors())
    await source.check()
    await place.jetstream.delete_stream(place.stream)
    with pytest.raises(Misconfigured, match=r"the stream does not exist"):
        await source.check()
    await ensure_stream(
        place.client, StreamShape(name=place.stream, subjects=(f"{place.family}.>",))
    )
    await source.check()


async def add_consumer(place: Place, start: int) -> datetime:
    """Makes it as another worker does; returns when it was made."""
    config = place.needs().config(place.durable, start)
    return (await place.jetstream.add_consumer(place.stream, config)).created


@pytest.mark.parametrize(("others_start", "start"), [(1, 0), (4, 4), (7, 7), (8, 7), (11, 7)])
async def test_what_another_worker_made_is_used_unless_it_starts_above_the_floor(
    place: Place, others_start: int, start: int
) -> None:
    floors = FloorsAmid()
    source = place.source(floors=floors)
    await floors.keep(await settle_some(place, source, published=12, settled=6), None)
    await delete_consumer(place)
    others: list[datetime] = []

    async def another_is_quicker() -> None:
        others.append(await add_consumer(place, others_start))

    floors.amid = another_is_quicker
    await source.check()
    info = await place.info()
    assert (info.config.opt_start_seq or 0) == start
    assert ([info.created] == others) is (others_start == max(start, 1))
    first = max(start, 1)
    assert sequences(await fetch_count(source, 13 - first)) == list(range(first, 13))


async def test_a_stream_made_again_while_the_floor_is_read_is_begun_at_its_start(
    place: Place,
) -> None:
    floors = FloorsAmid()
    source = place.source(floors=floors)
    await floors.keep(await settle_some(place, source, published=3, settled=2), None)
    await delete_consumer(place)
    floors.amid = lambda: make_stream_again(place)
    await source.check()
    await place.publish(b"a", b"b", b"c")
    assert sequences(await fetch_count(source, 3)) == [1, 2, 3]


async def test_settling_what_the_deleted_consumer_delivered_settles_nothing_else(
    place: Place,
) -> None:
    source = place.source(floors=MemoryAckFloors())
    await place.publish(b"1", b"2", b"3", b"4")
    before = await fetch_count(source, 3, max_messages=3)
    await delete_consumer(place)
    await source.check()
    await source.settle([(before[2], Ack())])
    assert (await look(source)).sequence == 0
    after = await fetch_count(source, 4)
    assert sequences(after) == [1, 2, 3, 4]
    await source.settle([(before[1], Ack())])
    await place.until_unsettled(3)
    assert (await look(source)).sequence == 0


async def test_deleted_under_two_workers_it_is_made_again_once_and_nothing_is_lost(
    place: Place,
) -> None:
    floors = MemoryAckFloors()
    sources = [place.source(floors=floors), place.source(floors=floors)]
    made: list[Msg] = []
    subject = f"$JS.EVENT.ADVISORY.CONSUMER.CREATED.{place.stream}.{place.durable}"

    async def note(msg: Msg) -> None:
        made.append(msg)

    advisories = await place.client.subscribe(subject, cb=note)
    settled: list[int] = []

    async def work(source: JetStreamSource) -> None:
        while True:
            try:
                deliveries = await source.fetch(5, PLENTY_BYTES)
                await source.settle([(delivery, Ack()) for delivery in deliveries])
            except Unavailable:
                continue
            settled.extend(sequences(list(deliveries)))

    def has_settled(count: int) -> Callable[[], Awaitable[bool]]:
        async def holds() -> bool:
            return len(set(settled)) >= count

        return holds

    working = [asyncio.create_task(work(source)) for source in sources]
    await place.publish(*(b"%d" % number for number in range(60)))
    await eventually(has_settled(30))
    await floors.keep(await look(sources[0]), None)
    floor = await floors.load(*sources[0].floor_key)
    assert floor is not None
    assert floor.sequence > 0
    publishing = asyncio.create_task(place.publish(*(b"%d" % number for number in range(60))))
    await delete_consumer(place)
    await publishing
    await eventually(has_settled(120))
    await place.until_unsettled(0)
    await cancel(*working)
    assert set(settled) == set(range(1, 121))
    twice = {sequence for sequence, times in Counter(settled).items() if times > 1}
    assert all(sequence > floor.sequence for sequence in twice)
    assert len(made) == 1
    await advisories.unsubscribe()


async def test_what_a_consumer_that_is_not_as_needed_says_is_no_floor(place: Place) -> None:
    source = place.source(floors=MemoryAckFloors())
    await settle_some(place, source, published=10, settled=6)
    await delete_consumer(place)
    needed = place.needs().config(place.durable)
    unfit = dataclasses.replace(needed, deliver_policy=DeliverPolicy.NEW)
    await place.jetstream.add_consumer(place.stream, unfit)
    with pytest.raises(Misconfigured, match="deliver"):
        await look(source)


def test_a_floor_is_kept_under_the_consumer_and_its_filter() -> None:
    assert floor_name("ingest", "config.>") != floor_name("ingest", "config.snapshot.>")
