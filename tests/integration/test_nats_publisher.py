"""SnapshotPublisher on a real server."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from snapshot_domain.errors import Refused, Unavailable
from snapshot_domain.secret import RawMessage
from snapshot_nats import SnapshotPublisher
from support.nats_server import OwnNatsServer, Place, own_nats_server, place_on


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[OwnNatsServer]:
    async with own_nats_server(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def place(server: OwnNatsServer) -> AsyncIterator[Place]:
    async with place_on(server.access) as made:
        yield made


async def test_a_published_message_is_on_the_stream_without_headers(place: Place) -> None:
    sequence = await SnapshotPublisher(place.client).publish(place.subject, RawMessage(b"\x00\xff"))
    stored = await place.jetstream.get_msg(place.stream, sequence)
    assert stored.data == b"\x00\xff"
    assert stored.subject == place.subject
    assert stored.headers is None


async def test_many_are_published_in_their_order(place: Place) -> None:
    publisher = SnapshotPublisher(place.client, in_flight_at_most=7)
    bodies = [RawMessage(b"%d" % number) for number in range(50)]
    assert await publisher.publish_all((place.subject, body) for body in bodies) == 50
    deliveries = await place.source().fetch(100, 1_000_000)
    assert [delivery.body.reveal() for delivery in deliveries] == [b.reveal() for b in bodies]


async def test_a_body_that_the_server_would_not_take_is_refused(place: Place) -> None:
    publisher = SnapshotPublisher(place.client)
    assert publisher.max_payload == 1_048_576
    too_large = RawMessage(b"x" * (publisher.max_payload + 1))
    with pytest.raises(Refused, match="max_payload") as raised:
        await publisher.publish(place.subject, too_large)
    assert raised.value.__context__ is None
    await publisher.publish(place.subject, RawMessage(b"x" * publisher.max_payload))


async def test_a_subject_that_no_stream_takes_is_unavailable(place: Place) -> None:
    with pytest.raises(Unavailable, match="publishing"):
        await SnapshotPublisher(place.client).publish("nobody.listens", RawMessage(b"x"))


async def test_a_server_that_is_away_is_unavailable(server: OwnNatsServer, place: Place) -> None:
    publisher = SnapshotPublisher(place.client, answer_timeout=timedelta(seconds=0.5))
    server.freeze()
    with pytest.raises(Unavailable, match="no answer in time"):
        await publisher.publish_all([(place.subject, RawMessage(b"x"))] * 3)
    server.thaw()
    await publisher.publish(place.subject, RawMessage(b"y"))
