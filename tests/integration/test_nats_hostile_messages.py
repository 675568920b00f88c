"""Messages that a publisher made odd on purpose: none hides, kills anything, or is shown."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from nats.errors import MsgAlreadyAckdError

from snapshot_conformance.message_source import eventually, fetch_count
from snapshot_domain.delivery import Ack, Discard, Retry
from snapshot_domain.errors import DependencyError
from snapshot_nats import JetStreamSource
from snapshot_nats.message import SafeMsg
from support.nats_server import OwnNatsServer, Place, own_nats_server, place_on

PLENTY_BYTES = 1_000_000
CANARY = b"hunter2-ppp-secret-c4n4ry"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnNatsServer]:
    async with own_nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def place(server: OwnNatsServer) -> AsyncIterator[Place]:
    async with place_on(server.access) as made:
        yield made


async def assert_all_come_and_go(source: JetStreamSource, place: Place, count: int) -> None:
    """Asserts that so many messages come, once, can be settled, and that the source lives on."""
    deliveries = await fetch_count(source, count)
    assert [delivery.attempt for delivery in deliveries] == [1] * count
    await source.settle([(delivery, Ack()) for delivery in deliveries])
    await place.until_unsettled(0)
    await source.check()


@pytest.mark.parametrize("status", ["100", "200", "400", "404", "408", "409", "503", "x", ""])
async def test_a_published_status_header_hides_nothing(place: Place, status: str) -> None:
    headers = {"Status": status, "Description": "Consumer Deleted"}
    await place.publish(b"before")
    await place.jetstream.publish(place.subject, b"", headers=headers)
    await place.jetstream.publish(place.subject, b"body", headers=headers)
    await place.publish(b"after")
    source = place.source()
    deliveries = await source.fetch(10, PLENTY_BYTES)
    bodies = [delivery.body.reveal() for delivery in deliveries]
    assert bodies == [b"before", b"", b"body", b"after"]
    await source.settle([(delivery, Ack()) for delivery in deliveries])
    await place.until_unsettled(0)


@pytest.mark.parametrize("status", ["404", "503", "200"])
async def test_a_published_status_header_hides_nothing_from_nats_pys_own_fetch(
    place: Place, status: str
) -> None:
    await place.publish(b"before")
    await place.jetstream.publish(place.subject, b"body", headers={"Status": status})
    subscription = await place.jetstream.pull_subscribe_bind(place.durable, place.stream)
    messages = await subscription.fetch(2, timeout=2)
    assert [message.data for message in messages] == [b"before", b"body"]
    assert (messages[1].headers or {})["Published-Status"] == status


@pytest.mark.parametrize(
    "headers",
    [
        b"NATS/1.0",
        b"NATS/1.0\r\n",
        b"NATS/1.0\r\n\r\n",
        b"NATS/1.0 404 No Messages\r\n\r\n",
        b"NATS/1.0 \xff\xff\xff\r\n\r\n",
        b"NATS/1.0 503 \xff\xfe\r\n\r\n",
        b"NATS/1.0\r\n\xff: \xff\r\n\r\n",
        b"no headers at all",
        b" ",
    ],
)
async def test_malformed_headers_end_nothing(
    server: OwnNatsServer, place: Place, headers: bytes
) -> None:
    """Some of them end the read loop of nats-py's own client, again on each redelivery."""
    size = len(headers)
    await server.send_raw(
        b"HPUB %s %d %d\r\n%sbody\r\n" % (place.subject.encode(), size, size + 4, headers)
    )
    await until_stored(place, 1)
    await place.publish(b"after")
    await assert_all_come_and_go(place.source(), place, 2)


async def test_a_subject_that_is_not_utf8_ends_nothing(server: OwnNatsServer, place: Place) -> None:
    """It ends the read loop of nats-py's own client, again on each redelivery."""
    await server.send_raw(b"PUB %s.create.\xff\xfe 4\r\nbody\r\n" % place.family.encode())
    await until_stored(place, 1)
    await place.publish(b"after")
    source = place.source()
    [odd, after] = await fetch_count(source, 2)
    assert odd.body.reveal() == b"body"
    assert odd.subject == f"{place.family}.create.\ufffd\ufffd"
    await source.settle([(odd, Discard()), (after, Ack())])
    await place.until_unsettled(0)


async def test_a_stranger_in_our_inbox_ends_nothing(place: Place) -> None:
    source = place.source(patience_s=10)
    fetching = asyncio.create_task(source.fetch(1, PLENTY_BYTES))
    await place.until_waiting()
    inbox = source._inbox.subject.removesuffix("*")
    for reply in ("", "$JS.ACK.x", "$JS.ACK.a.b.c.d.e.f.g", "_INBOX.elsewhere"):
        await place.client.publish(f"{inbox}0", b"forged", reply=reply)
    await place.client.flush(5)
    await place.publish(b"real")
    [delivery] = await fetching
    assert delivery.body.reveal() == b"real"


async def test_no_content_is_in_any_log_message_error_or_repr(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = place.source(answer_timeout_s=1)
    await place.jetstream.publish(place.subject, CANARY, headers={"Status": "503"})
    [delivery] = await fetch_count(source, 1)
    assert CANARY in delivery.body.reveal()
    await source.settle([(delivery, Retry(timedelta(0)))])
    await source.backlog()
    await place.jetstream.delete_consumer(place.stream, place.durable)
    with pytest.raises(DependencyError) as raised:
        await source.fetch(1, PLENTY_BYTES)
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None
    shown = "".join(traceback.format_exception(raised.value))
    shown += f"{delivery!r} {source!r} {vars(source)!r} {vars(source._binding)!r}"
    shown += f"{vars(source._inbox)!r}"
    assert CANARY.decode() not in shown
    assert CANARY.decode() not in caplog.text


async def test_nats_pys_own_errors_and_messages_show_nothing(place: Place) -> None:
    await place.publish(CANARY)
    subscription = await place.jetstream.pull_subscribe_bind(place.durable, place.stream)
    [message] = await subscription.fetch(1, timeout=2)
    await message.ack()
    with pytest.raises(MsgAlreadyAckdError) as raised:
        await message.ack()
    assert isinstance(message, SafeMsg)
    assert CANARY in message.data
    assert CANARY.decode() not in f"{message!r} {message} {raised.value} {raised.value!r}"


async def until_stored(place: Place, count: int) -> None:
    """Waits until the stream holds that many: raw publishing gets no acknowledgement."""

    async def holds() -> bool:
        return (await place.jetstream.stream_info(place.stream)).state.messages == count

    await eventually(holds)
