"""Permissions that a server's reload takes or grants while a source is connected."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from snapshot_conformance.message_source import eventually
from snapshot_domain.delivery import Ack
from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_memory import MemoryAckFloors
from snapshot_nats import (
    ConnectionSettings,
    JetStreamSource,
    SafeClient,
    SourceSettings,
    connect,
    ensure_consumer,
    ensure_stream,
)
from support.nats_server import OwnNatsServer, own_nats_server

PASSWORD = "n4ts-passw0rd"
PLENTY_BYTES = 1_000_000
CONSUMER = "DEVICE_EVENTS.config_snapshot_ingest"
NEXT = f"$JS.API.CONSUMER.MSG.NEXT.{CONSUMER}"
INFO = f"$JS.API.CONSUMER.INFO.{CONSUMER}"
CREATE = f"$JS.API.CONSUMER.DURABLE.CREATE.{CONSUMER}"
ACKS = f"$JS.ACK.{CONSUMER}.>"
ALL = [NEXT, INFO, CREATE, ACKS, "$JS.API.STREAM.INFO.DEVICE_EVENTS"]
INBOX = "_INBOX.>"


def users(*publish: str, subscribe: str = INBOX, password: str = PASSWORD) -> str:
    """The server's users: one that may do everything, and the one that ingests."""
    quoted = ", ".join(f'"{subject}"' for subject in publish)
    allowed = f'{{ publish: [{quoted}], subscribe: ["{subscribe}"] }}'
    return f"""
    authorization {{ users: [
      {{ user: admin, password: "{PASSWORD}" }},
      {{ user: ingest, password: "{password}", permissions: {allowed} }}
    ] }}
    """


def connection(server: OwnNatsServer, user: str) -> ConnectionSettings:
    return ConnectionSettings(
        servers=(server.url,),
        user=user,
        password=PASSWORD,
        connect_timeout=timedelta(seconds=2),
        reconnect_wait=timedelta(seconds=0.05),
    )


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[OwnNatsServer]:
    async with own_nats_server(tmp_path, users(*ALL)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def admin(server: OwnNatsServer) -> AsyncIterator[SafeClient]:
    """Has made stream and consumer, and published one message."""
    client = await connect(connection(server, "admin"))
    await ensure_stream(client)
    await ensure_consumer(client, "DEVICE_EVENTS", "config_snapshot_ingest")
    await client.jetstream().publish("config.snapshot.create.x", b"x")
    yield client
    await client.close()


@pytest_asyncio.fixture(loop_scope="session")
async def source(server: OwnNatsServer) -> AsyncIterator[JetStreamSource]:
    settings = SourceSettings(patience=timedelta(seconds=0.3), answer_timeout=timedelta(seconds=2))
    made = JetStreamSource(connection(server, "ingest"), settings, MemoryAckFloors())
    yield made
    await made.close()


async def until_works(call: Callable[[], Awaitable[object]]) -> None:
    async def works() -> bool:
        try:
            await call()
        except (Misconfigured, Unavailable):
            return False
        return True

    await eventually(works)


async def until_denied(call: Callable[[], Awaitable[object]], subject: str) -> None:
    async def is_denied() -> bool:
        try:
            await call()
        except Misconfigured as fault:
            return subject.lower() in str(fault).lower()
        except Unavailable:
            return False
        return False

    await eventually(is_denied)


@pytest.mark.parametrize("subject", [INFO, "$JS.API.STREAM.INFO.DEVICE_EVENTS"])
async def test_a_look_that_is_granted_later_works_on_the_same_connection(
    server: OwnNatsServer, source: JetStreamSource, subject: str
) -> None:
    await source.check()
    client = source._binding.connected()
    server.reload(users(*(each for each in ALL if each != subject)))
    await until_denied(source.check, subject)
    server.reload(users(*ALL))
    await until_works(source.check)
    assert source._binding.connected() is client


async def test_a_pull_that_is_granted_later_works_on_the_same_connection(
    server: OwnNatsServer, source: JetStreamSource
) -> None:
    server.reload(users(*(each for each in ALL if each != NEXT)))

    async def fetch() -> None:
        await source.fetch(1, PLENTY_BYTES)

    await until_denied(fetch, NEXT)
    client = source._binding.connected()
    server.reload(users(*ALL))
    await until_works(fetch)
    assert source._binding.connected() is client


async def test_settling_works_once_it_is_granted_whatever_was_denied_before(
    server: OwnNatsServer, source: JetStreamSource, admin: SafeClient
) -> None:
    [delivery] = await source.fetch(1, PLENTY_BYTES)
    client = source._binding.connected()
    server.reload(users(*(each for each in ALL if each != ACKS)))

    async def settle() -> None:
        await source.settle([(delivery, Ack())])

    # Until the server has reloaded, an acknowledgement still counts; the second is the same.
    await until_denied(settle, "$JS.ACK")
    server.reload(users(*ALL))
    await until_works(settle)
    assert source._binding.connected() is client
    info = await admin.jetstream().consumer_info("DEVICE_EVENTS", "config_snapshot_ingest")
    assert info.num_ack_pending == 0


async def test_making_the_consumer_again_works_once_it_is_granted(
    server: OwnNatsServer, source: JetStreamSource, admin: SafeClient
) -> None:
    server.reload(users(*(each for each in ALL if each != CREATE)))
    await admin.jetstream().delete_consumer("DEVICE_EVENTS", "config_snapshot_ingest")
    await until_denied(source.check, CREATE)
    server.reload(users(*ALL))
    await until_works(source.check)
    await admin.jetstream().consumer_info("DEVICE_EVENTS", "config_snapshot_ingest")


async def test_an_inbox_that_is_taken_and_given_back_is_opened_anew(
    server: OwnNatsServer, source: JetStreamSource
) -> None:
    await source.check()
    server.reload(users(*ALL, subscribe="_ELSEWHERE.>"))
    await until_denied(source.check, "_INBOX")
    server.reload(users(*ALL))
    await until_works(source.check)
    [delivery] = await source.fetch(1, PLENTY_BYTES)
    await source.settle([(delivery, Ack())])


async def test_a_user_that_is_revoked_and_given_back_ingests_again(
    server: OwnNatsServer, source: JetStreamSource
) -> None:
    [delivery] = await source.fetch(1, PLENTY_BYTES)
    server.reload(users(*ALL, password="another"))

    async def is_refused() -> bool:
        try:
            await source.check()
        except (Misconfigured, Unavailable):
            return True
        return False

    await eventually(is_refused)
    server.reload(users(*ALL))
    await until_works(source.check)
    await source.settle([(delivery, Ack())])
