"""A stream for snapshots alone, on a real server: what telemetry cannot push out of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from attrs import evolve

from snapshot_conformance.message_source import eventually, fetch_count
from snapshot_domain.delivery import Ack
from snapshot_domain.errors import Misconfigured
from snapshot_domain.eviction import Eviction, eviction_between
from snapshot_ingest.commands.provision import provision_nats
from snapshot_ingest.connections import message_source, nats_connection
from snapshot_ingest.settings import NatsSettings
from snapshot_nats import (
    DEFAULT_DURABLE,
    DEFAULT_STREAM,
    OwnStreamShape,
    SafeClient,
    connect,
    ensure_own_stream,
)
from support.nats_server import OwnNatsServer, own_nats_server
from support.nats_users import ADMIN, INGEST, INGEST_OWN, PROVISION

SHAPE = OwnStreamShape(max_age=timedelta(hours=24), max_bytes=10_000_000)
SUBJECT = "config.snapshot.create.6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[OwnNatsServer]:
    async with own_nats_server(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def shared(server: OwnNatsServer) -> None:
    """The poller's stream, with a consumer on it as before."""
    await provisioned(server, DEFAULT_STREAM, None)


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: OwnNatsServer) -> AsyncIterator[SafeClient]:
    client = await connect(server.access.connection(ADMIN))
    yield client
    await client.close()


@pytest.fixture
def settings(server: OwnNatsServer) -> NatsSettings:
    return evolve(server.access.settings(INGEST_OWN), stream=SHAPE.name)


async def provisioned(server: OwnNatsServer, stream: str, shape: OwnStreamShape | None) -> None:
    """What `provision` makes for those who consume the stream."""
    settings = evolve(server.access.settings(PROVISION), stream=stream)
    await provision_nats(nats_connection(settings), settings, shape)


async def until_held(client: SafeClient, stream: str, messages: int) -> None:
    async def holds() -> bool:
        return (await client.jetstream().stream_info(stream)).state.messages == messages

    await eventually(holds)


async def test_snapshots_outlive_their_eviction_from_the_shared_stream(
    server: OwnNatsServer, client: SafeClient, settings: NatsSettings
) -> None:
    await provisioned(server, SHAPE.name, SHAPE)
    jetstream = client.jetstream()
    shared = (await jetstream.stream_info(SHAPE.shared)).config
    await jetstream.update_stream(shared.evolve(max_msgs=10))
    bodies = [b"%d" % number for number in range(8)]
    for body in bodies:
        await jetstream.publish(SUBJECT, body)
    await until_held(client, SHAPE.name, 8)
    for number in range(20):
        await jetstream.publish("device.status.x", b"%d" % number)
    assert (await jetstream.stream_info(SHAPE.shared)).state.first_seq == 19
    source = message_source(settings)
    deliveries = await fetch_count(source, 8)
    await source.close()
    assert [delivery.body.reveal() for delivery in deliveries] == bodies
    assert {delivery.origin.stream for delivery in deliveries} == {SHAPE.name}
    assert {delivery.subject for delivery in deliveries} == {SUBJECT}


@pytest.mark.parametrize("settled", [3, 5])
async def test_what_is_settled_on_the_shared_stream_does_not_come_again(
    server: OwnNatsServer, client: SafeClient, settings: NatsSettings, settled: int
) -> None:
    for number in range(5):
        await client.jetstream().publish(SUBJECT, b"%d" % number)
    former = message_source(server.access.settings(INGEST))
    deliveries = await fetch_count(former, settled, max_messages=settled)
    await former.settle([(delivery, Ack()) for delivery in deliveries])

    async def is_settled() -> bool:
        return (await former.floor(datetime.now(UTC))).sequence == settled

    await eventually(is_settled)
    await former.close()
    await provisioned(server, SHAPE.name, SHAPE)
    await client.jetstream().publish(SUBJECT, b"5")
    source = message_source(settings)
    rest = await fetch_count(source, 6 - settled)
    await source.close()
    assert [delivery.body.reveal() for delivery in rest] == [
        b"%d" % number for number in range(settled, 6)
    ]


async def test_telemetry_leaves_no_gap_in_the_own_stream(
    server: OwnNatsServer, client: SafeClient, settings: NatsSettings
) -> None:
    """There the upper bound of what was evicted is exact."""
    await provisioned(server, SHAPE.name, SHAPE)
    jetstream = client.jetstream()
    own = (await jetstream.stream_info(SHAPE.name)).config
    await jetstream.update_stream(own.evolve(max_msgs=5))
    source = message_source(settings)
    before = await source.floor(datetime.now(UTC))
    for number in range(7):
        await jetstream.publish("device.status.x", b"%d" % number)
        await jetstream.publish(SUBJECT, b"%d" % number)

    async def all_are_there() -> bool:
        return (await jetstream.stream_info(SHAPE.name)).state.last_seq == 7

    await eventually(all_are_there)
    after = await source.floor(datetime.now(UTC))
    await source.close()
    assert eviction_between(before, after) == Eviction(at_least=0, at_most=2)


async def test_it_is_made_with_its_bounds(client: SafeClient) -> None:
    await ensure_own_stream(client, SHAPE, DEFAULT_DURABLE)
    config = (await client.jetstream().stream_info(SHAPE.name)).config
    assert (config.retention, config.discard, config.storage) == ("limits", "old", "file")
    assert config.max_bytes == 10_000_000
    assert config.max_age == timedelta(hours=24).total_seconds()
    assert not config.subjects


async def test_an_existing_one_is_left_as_it_is(client: SafeClient) -> None:
    await ensure_own_stream(client, SHAPE, DEFAULT_DURABLE)
    await ensure_own_stream(client, evolve(SHAPE, max_bytes=20_000_000), DEFAULT_DURABLE)
    config = (await client.jetstream().stream_info(SHAPE.name)).config
    assert config.max_bytes == 10_000_000


async def test_a_stream_of_that_name_that_takes_other_messages_is_misconfigured(
    client: SafeClient,
) -> None:
    await client.jetstream().add_stream(name=SHAPE.name, subjects=["other.>"])
    with pytest.raises(Misconfigured, match="takes other messages"):
        await ensure_own_stream(client, SHAPE, DEFAULT_DURABLE)
    await client.jetstream().delete_stream(SHAPE.name)
    await ensure_own_stream(client, evolve(SHAPE, filter_subject="config.>"), DEFAULT_DURABLE)
    with pytest.raises(Misconfigured, match="takes other messages"):
        await ensure_own_stream(client, SHAPE, DEFAULT_DURABLE)
