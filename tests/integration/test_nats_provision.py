"""Making stream and consumer on a real server, and saying how existing ones differ."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from nats.js.api import ConsumerConfig

from snapshot_domain.errors import Misconfigured
from snapshot_nats import (
    DEFAULT_STREAM,
    SUBJECTS,
    ConnectionSettings,
    ConsumerNeeds,
    JetStreamSource,
    StreamShape,
    ensure_consumer,
    ensure_stream,
)
from support.nats_server import OwnNatsServer, Place, own_nats_server, place_on


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnNatsServer]:
    async with own_nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def place(server: OwnNatsServer) -> AsyncIterator[Place]:
    async with place_on(server.access) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def bare(place: Place) -> AsyncIterator[Place]:
    """A server without the stream of the poller; it is gone afterwards, too."""
    yield place
    await place.jetstream.delete_stream(DEFAULT_STREAM)


async def remake_consumer(place: Place, **config: Any) -> None:
    """Puts another consumer in the place of ours, as an operator or a former one made it."""
    await place.jetstream.delete_consumer(place.stream, place.durable)
    await place.jetstream.add_consumer(
        place.stream,
        ConsumerConfig(durable_name=place.durable, filter_subject=f"{place.family}.>"),
        **config,
    )


async def test_the_stream_is_made_as_the_poller_makes_it(bare: Place) -> None:
    await ensure_stream(bare.client)
    config = (await bare.jetstream.stream_info(DEFAULT_STREAM)).config
    assert config.subjects == list(SUBJECTS)
    assert len(SUBJECTS) == 10
    assert (config.retention, config.discard, config.storage) == ("limits", "old", "file")
    assert config.max_age == timedelta(hours=24).total_seconds()
    assert config.max_bytes == 64 * 1024 * 1024
    assert config.num_replicas == 1


async def test_the_streams_size_can_be_chosen(bare: Place) -> None:
    await ensure_stream(bare.client, StreamShape(max_bytes=1_000_000))
    config = (await bare.jetstream.stream_info(DEFAULT_STREAM)).config
    assert config.max_bytes == 1_000_000


async def test_an_existing_stream_is_left_as_it_is(bare: Place) -> None:
    await bare.jetstream.add_stream(name=DEFAULT_STREAM, subjects=["config.snapshot.>"])
    await ensure_stream(bare.client)
    config = (await bare.jetstream.stream_info(DEFAULT_STREAM)).config
    assert config.subjects == ["config.snapshot.>"]
    assert config.max_bytes == -1


async def test_many_may_make_stream_and_consumer_at_once(bare: Place) -> None:
    sizes = (1_000_000, 2_000_000, 3_000_000)
    await asyncio.gather(
        *(ensure_stream(bare.client, StreamShape(max_bytes=size)) for size in sizes)
    )
    await asyncio.gather(*(ensure_consumer(bare.client, DEFAULT_STREAM, "C") for _ in range(3)))
    assert (await bare.jetstream.consumer_info(DEFAULT_STREAM, "C")).name == "C"


async def test_subjects_that_another_stream_has_are_misconfigured(place: Place) -> None:
    shape = StreamShape(name="OVERLAPPING", subjects=(f"{place.family}.>",))
    with pytest.raises(Misconfigured, match="10065"):
        await ensure_stream(place.client, shape)


async def test_the_consumer_is_made_as_needed(place: Place) -> None:
    config = (await place.info()).config
    assert config.ack_policy == "explicit"
    assert config.deliver_policy == "all"
    assert config.ack_wait == 30
    assert config.max_deliver == -1
    assert config.max_ack_pending == 10_000
    assert not config.backoff
    assert not config.deliver_subject
    await place.source().open()


async def test_a_consumer_needs_its_stream(place: Place) -> None:
    with pytest.raises(Misconfigured, match=r"the stream does not exist.*provision"):
        await ensure_consumer(place.client, "NOWHERE", "C")


async def test_the_default_max_ack_pending_is_reported_as_too_low(place: Place) -> None:
    await remake_consumer(place)
    with pytest.raises(Misconfigured, match="max_ack_pending is 1000, expected at least 10000"):
        await place.source().open()
    with pytest.raises(Misconfigured, match="max_ack_pending"):
        await ensure_consumer(place.client, place.stream, place.durable, place.needs())
    assert (await place.info()).config.max_ack_pending == 1000


async def test_a_former_push_consumer_of_that_name_is_reported(place: Place) -> None:
    await remake_consumer(place, deliver_subject="former.subscriber", max_ack_pending=10_000)
    for attempt in (
        place.source().open(),
        ensure_consumer(place.client, place.stream, place.durable, place.needs()),
    ):
        with pytest.raises(Misconfigured, match=r"push consumer.*takeover"):
            await attempt


async def test_every_difference_is_said_at_once(place: Place) -> None:
    await remake_consumer(
        place, max_deliver=5, ack_wait=1, backoff=[1.0, 2.0], filter_subject="other.>"
    )
    with pytest.raises(Misconfigured) as raised:
        await place.source().open()
    for word in ("max_deliver", "ack_wait", "backoff", "filter", "max_ack_pending"):
        assert word in str(raised.value)


async def test_a_consumer_that_takes_over_from_a_sequence_will_do(place: Place) -> None:
    await place.publish(b"old", b"new")
    await remake_consumer(
        place,
        deliver_policy="by_start_sequence",
        opt_start_seq=2,
        max_ack_pending=10_000,
        ack_wait=30,
    )
    [delivery] = await place.source().fetch(10, 1_000_000)
    assert delivery.body.reveal() == b"new"


async def test_max_deliver_of_one_would_stop_a_message_silently(place: Place) -> None:
    await remake_consumer(place, max_deliver=1, max_ack_pending=10_000)
    with pytest.raises(Misconfigured, match="silently stops"):
        await place.source(ConsumerNeeds()).open()


async def test_a_server_without_jetstream_is_misconfigured(tmp_path_factory: Any) -> None:
    extra = "accounts { A { users = [{user: a, password: b}], jetstream: disabled } }"
    async with own_nats_server(tmp_path_factory.mktemp("nats"), extra) as plain:
        settings = ConnectionSettings(servers=(plain.url,), user="a", password="b")
        source = JetStreamSource(settings)
        with pytest.raises(Misconfigured, match="JetStream is not enabled"):
            await source.open()
        await source.close()
