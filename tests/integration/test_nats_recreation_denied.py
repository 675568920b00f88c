"""A deleted consumer where the worker's user may not make it again."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from snapshot_conformance.message_source import fetch_count
from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_memory import MemoryAckFloors
from snapshot_nats import (
    ConnectionSettings,
    ConsumerNeeds,
    JetStreamSource,
    SourceSettings,
    connect,
    ensure_consumer,
    ensure_stream,
)
from support.nats_server import OwnNatsServer, own_nats_server

PASSWORD = "n4ts-passw0rd"
ANSWER_TIMEOUT = timedelta(seconds=0.5)
CONSUMER = "DEVICE_EVENTS.config_snapshot_ingest"
CREATE = f"$JS.API.CONSUMER.DURABLE.CREATE.{CONSUMER}"
LEAST = [
    f"$JS.API.CONSUMER.MSG.NEXT.{CONSUMER}",
    f"$JS.API.CONSUMER.INFO.{CONSUMER}",
    "$JS.API.STREAM.INFO.DEVICE_EVENTS",
    f"$JS.ACK.{CONSUMER}.>",
]


def user(name: str, subjects: list[str]) -> str:
    quoted = ", ".join(f'"{subject}"' for subject in subjects)
    allowed = f'{{ publish: [{quoted}], subscribe: ["_INBOX.>"] }}'
    return f'{{ user: {name}, password: "{PASSWORD}", permissions: {allowed} }}'


USERS = f"""
authorization {{ users: [
  {{ user: admin, password: "{PASSWORD}" }},
  {user("least", LEAST)},
  {user("maker", [*LEAST, CREATE])}
] }}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[OwnNatsServer]:
    """A server with the stream, and nobody has made the consumer."""
    async with own_nats_server(tmp_path, USERS) as running:
        admin = await connect(connection(running, "admin"))
        await ensure_stream(admin)
        await admin.jetstream().publish("config.snapshot.create.x", b"x")
        await admin.close()
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def least(server: OwnNatsServer) -> AsyncIterator[JetStreamSource]:
    source = source_of(server, "least")
    yield source
    await source.close()


def connection(server: OwnNatsServer, name: str) -> ConnectionSettings:
    return ConnectionSettings(servers=(server.url,), user=name, password=PASSWORD)


def source_of(server: OwnNatsServer, name: str) -> JetStreamSource:
    settings = SourceSettings(patience=ANSWER_TIMEOUT, answer_timeout=ANSWER_TIMEOUT)
    return JetStreamSource(connection(server, name), settings, MemoryAckFloors())


async def test_who_may_not_make_it_is_told_what_to_do(least: JetStreamSource) -> None:
    with pytest.raises(Misconfigured) as raised:
        await least.check()
    for words in ("may not make it", CREATE, "snapshot-ingest provision"):
        assert words in str(raised.value)


async def test_a_denial_is_noticed_at_once_and_not_only_by_silence(
    least: JetStreamSource,
) -> None:
    with pytest.raises(Misconfigured):
        await least.check()
    started = time.monotonic()
    with pytest.raises(Misconfigured, match="may not make it"):
        await least.check()
    assert time.monotonic() - started < ANSWER_TIMEOUT.total_seconds()


async def test_it_goes_on_once_somebody_else_has_made_it(
    server: OwnNatsServer, least: JetStreamSource
) -> None:
    with pytest.raises(Misconfigured):
        await least.check()
    admin = await connect(connection(server, "admin"))
    await ensure_consumer(admin, "DEVICE_EVENTS", "config_snapshot_ingest")
    await admin.close()
    assert len(await fetch_count(least, 1)) == 1


async def test_a_server_that_falls_silent_later_is_not_taken_for_one_that_denies(
    server: OwnNatsServer, least: JetStreamSource
) -> None:
    with pytest.raises(Misconfigured):
        await least.check()
    admin = await connect(connection(server, "admin"))
    await ensure_consumer(admin, "DEVICE_EVENTS", "config_snapshot_ingest")
    await admin.close()
    await least.check()
    server.freeze()
    try:
        with pytest.raises(Unavailable, match="no answer in time"):
            await least.fetch(1, 1_000)
    finally:
        server.thaw()


async def test_who_may_not_delete_one_of_a_former_stream_is_told_what_to_do(
    server: OwnNatsServer,
) -> None:
    admin = await connect(connection(server, "admin"))
    long_ago = datetime(2026, 4, 2, 6, 15, tzinfo=UTC)
    config = ConsumerNeeds().config("config_snapshot_ingest", 1, long_ago)
    await admin.jetstream().add_consumer("DEVICE_EVENTS", config)
    await admin.close()
    source = source_of(server, "maker")
    with pytest.raises(Misconfigured, match=r"former stream.*delete it, then run .*provision"):
        await source.check()
    await source.close()


async def test_making_it_again_needs_one_permission_more(server: OwnNatsServer) -> None:
    source = source_of(server, "maker")
    assert len(await fetch_count(source, 1)) == 1
    await source.close()
