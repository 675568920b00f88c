"""A stream that is too small, on a real server: what it discards before delivery is seen."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from snapshot_conformance.message_source import eventually, fetch_count
from snapshot_domain.delivery import Ack, Retry
from snapshot_domain.eviction import NOTHING_EVICTED, Eviction, eviction_between
from snapshot_domain.ports import Floor
from support.nats_server import OwnNatsServer, Place, own_nats_server, place_on

HOLDS_AT_MOST = 20


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnNatsServer]:
    async with own_nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def place(server: OwnNatsServer) -> AsyncIterator[Place]:
    """A shared stream that holds twenty messages, read or not."""
    async with place_on(server.access) as made:
        config = (await made.jetstream.stream_info(made.stream)).config
        await made.jetstream.update_stream(config.evolve(max_msgs=HOLDS_AT_MOST))
        yield made


async def publish(place: Place, snapshots: int = 0, *, telemetry: int = 0) -> None:
    await place.publish(*(b"%d" % number for number in range(snapshots)))
    subject = f"{place.family.partition('.')[0]}.device.status"
    for number in range(telemetry):
        await place.jetstream.publish(subject, b"%d" % number)


async def look(place: Place) -> Floor:
    """By a source of its own, as after a restart."""
    source = place.source()
    floor = await source.floor(datetime.now(UTC))
    await source.close()
    return floor


async def deliver(place: Place, count: int) -> None:
    """Delivers and settles that many."""
    source = place.source()
    deliveries = await fetch_count(source, count, max_messages=count)
    await source.settle([(delivery, Ack()) for delivery in deliveries])
    await source.close()
    await place.until_unsettled(0)


async def test_a_stream_with_room_evicts_nothing(place: Place) -> None:
    before = await look(place)
    await publish(place, 8, telemetry=5)
    await deliver(place, 6)
    assert eviction_between(before, await look(place)) == NOTHING_EVICTED


async def test_snapshots_that_telemetry_pushes_out_are_counted(place: Place) -> None:
    await publish(place, 7)
    await deliver(place, 2)
    before = await look(place)
    await publish(place, telemetry=17)  # 24 in all: the first 4 go, 2 of them unread
    first = await look(place)
    assert eviction_between(before, first) == Eviction(at_least=2, at_most=2)
    await publish(place, telemetry=10)
    assert eviction_between(first, await look(place)) == Eviction(at_least=3, at_most=10)


async def test_arrivals_hide_some_and_the_truth_is_between_the_bounds(place: Place) -> None:
    await publish(place, 10)
    before = await look(place)
    await publish(place, 15)  # 25 in all: 5 go unread, while 15 arrive
    assert eviction_between(before, await look(place)) == Eviction(at_least=0, at_most=5)


async def test_nothing_hides_once_all_that_waited_before_is_gone(place: Place) -> None:
    await publish(place, 10)
    before = await look(place)
    await publish(place, 40)  # 50 in all: 30 go unread, the 10 that waited among them
    assert eviction_between(before, await look(place)) == Eviction(at_least=10, at_most=30)


async def test_telemetry_alone_raises_nothing_but_the_upper_bound(place: Place) -> None:
    await publish(place, 1)
    await deliver(place, 1)
    before = await look(place)
    await publish(place, telemetry=60)
    assert eviction_between(before, await look(place)) == Eviction(at_least=0, at_most=40)


async def test_deliveries_and_redeliveries_are_no_evictions(place: Place) -> None:
    await publish(place, 10)
    before = await look(place)
    source = place.source()
    for _ in range(3):
        deliveries = await fetch_count(source, 4, max_messages=4)
        await source.settle([(delivery, Retry(timedelta(0))) for delivery in deliveries])
        await place.until_unsettled(4)
    after = await look(place)
    assert after.deliveries == 12
    assert eviction_between(before, after) == NOTHING_EVICTED


async def test_what_is_evicted_while_it_is_in_hand_was_delivered(place: Place) -> None:
    await publish(place, 5)
    await fetch_count(place.source(), 5, max_messages=5)
    before = await look(place)
    await publish(place, telemetry=30)

    async def is_told() -> bool:
        return (await look(place)).first_sequence == 16

    await eventually(is_told)
    assert eviction_between(before, await look(place)) == Eviction(at_least=0, at_most=10)
