"""Connecting to a real server: who is let in, what TLS refuses, what a denied user is told."""

import asyncio
import gc
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlparse

import pytest
import pytest_asyncio
import trustme
from nats.aio.client import Srv

from snapshot_domain.delivery import Ack
from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_nats import (
    ConnectionSettings,
    JetStreamSource,
    SafeClient,
    SourceSettings,
    StreamShape,
    connect,
    ensure_consumer,
    ensure_stream,
)
from support.nats_server import OwnNatsServer, own_nats_server

SHORTLY = timedelta(seconds=1)
PLENTY_BYTES = 1_000_000
PASSWORD = "n4ts-passw0rd"

LEAST_PRIVILEGE = """
    publish: [
      "$JS.API.CONSUMER.MSG.NEXT.DEVICE_EVENTS.config_snapshot_ingest",
      "$JS.API.CONSUMER.INFO.DEVICE_EVENTS.config_snapshot_ingest",
      "$JS.API.STREAM.INFO.DEVICE_EVENTS",
      "$JS.ACK.DEVICE_EVENTS.config_snapshot_ingest.>"
    ],
    subscribe: ["_INBOX_ingest.>"]
"""
NO_ACKS = LEAST_PRIVILEGE.replace("$JS.ACK", "$JS.NOTHING")
NO_PULLS = LEAST_PRIVILEGE.replace("MSG.NEXT", "MSG.NOTHING")
USERS = f"""
authorization {{ users: [
  {{ user: admin, password: "{PASSWORD}" }},
  {{ user: ingest, password: "{PASSWORD}", permissions: {{ {LEAST_PRIVILEGE} }} }},
  {{ user: no_acks, password: "{PASSWORD}", permissions: {{ {NO_ACKS} }} }},
  {{ user: no_pulls, password: "{PASSWORD}", permissions: {{ {NO_PULLS} }} }}
] }}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnNatsServer]:
    """A server with users, the stream and the consumer."""
    async with own_nats_server(tmp_path_factory.mktemp("nats"), USERS) as running:
        admin = await connect(settings_of(running, "admin"))
        await ensure_stream(admin, StreamShape())
        await ensure_consumer(admin, "DEVICE_EVENTS", "config_snapshot_ingest")
        await admin.close()
        yield running


def settings_of(
    server: OwnNatsServer, user: str, inbox_prefix: str = "_INBOX_ingest"
) -> ConnectionSettings:
    return ConnectionSettings(
        servers=(server.url,),
        user=user,
        password=PASSWORD,
        inbox_prefix=inbox_prefix,
        connect_timeout=SHORTLY,
    )


@asynccontextmanager
async def source_of(connection: ConnectionSettings) -> AsyncIterator[JetStreamSource]:
    source = JetStreamSource(
        connection,
        SourceSettings(patience=timedelta(seconds=0.3), answer_timeout=timedelta(seconds=0.5)),
    )
    yield source
    await source.close()


async def test_nobody_there_is_unavailable_in_time(tmp_path: Path) -> None:
    url = OwnNatsServer(tmp_path).url  # never started
    started = time.monotonic()
    with pytest.raises(Unavailable, match="no NATS server answered within 1 s"):
        await connect(ConnectionSettings(servers=(url,), connect_timeout=SHORTLY))
    assert time.monotonic() - started < 5


async def test_a_wrong_password_is_misconfigured(server: OwnNatsServer) -> None:
    settings = ConnectionSettings(
        servers=(server.url,), user="ingest", password="wrong", connect_timeout=SHORTLY
    )
    with pytest.raises(Misconfigured, match="refuses our credentials") as raised:
        await connect(settings)
    assert raised.value.__context__ is None


async def test_least_privilege_is_enough_to_work(server: OwnNatsServer) -> None:
    admin = await connect(settings_of(server, "admin"))
    await admin.jetstream().publish("config.snapshot.create.x", b"x")
    await admin.close()
    async with source_of(settings_of(server, "ingest")) as source:
        [delivery] = await source.fetch(10, PLENTY_BYTES)
        await source.extend([delivery])
        backlog = await source.backlog()
        assert (backlog.unsettled, backlog.oldest_at) == (1, None)
        await source.check()
        await source.settle([(delivery, Ack())])
        assert list(await source.fetch(10, PLENTY_BYTES)) == []
        assert (await source.backlog()).is_empty


async def test_a_denied_inbox_is_misconfigured_and_named(server: OwnNatsServer) -> None:
    async with source_of(settings_of(server, "ingest", inbox_prefix="_INBOX_other")) as source:
        with pytest.raises(Misconfigured, match=r"denies this user .*_inbox_other"):
            await source.fetch(10, PLENTY_BYTES)


async def test_a_denied_pull_is_misconfigured_and_named(server: OwnNatsServer) -> None:
    async with source_of(settings_of(server, "no_pulls")) as source:
        await source.open()
        with pytest.raises(Misconfigured, match=r"consumer\.msg\.next"):
            await source.fetch(10, PLENTY_BYTES)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN NATS USER JWT-----\nx\n"])
async def test_a_credentials_file_that_is_none_is_misconfigured(
    server: OwnNatsServer, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "user.creds"
    if content is not None:
        file.write_bytes(content)
    settings = ConnectionSettings(servers=(server.url,), credentials_file=file)
    with pytest.raises(Misconfigured, match="the credentials file"):
        await connect(settings)


async def test_denied_acknowledgements_are_misconfigured_and_do_not_seem_to_work(
    server: OwnNatsServer,
) -> None:
    admin = await connect(settings_of(server, "admin"))
    await admin.jetstream().publish("config.snapshot.create.x", b"x")
    async with source_of(settings_of(server, "no_acks")) as source:
        [delivery] = await source.fetch(10, PLENTY_BYTES)
        with pytest.raises(Misconfigured, match=r"\$js\.ack"):
            await source.settle([(delivery, Ack())])
    await admin.jetstream().purge_stream("DEVICE_EVENTS")
    await admin.close()


async def test_a_flush_returns_only_when_the_server_has_taken_what_was_published_before(
    server: OwnNatsServer,
) -> None:
    client = await connect(settings_of(server, "no_acks"))
    for _ in range(50):
        with client.denials.of("$JS.ACK.", awaits_answers=False) as denied:
            await client.publish("$JS.ACK.DEVICE_EVENTS.nobody.1.1.1.1.1", b"+ACK")
            await client.flush()
            assert denied.done()
    await client.close()


async def test_tls_is_refused_to_a_server_that_speaks_none(server: OwnNatsServer) -> None:
    url = server.url.replace("nats://", "tls://")
    settings = ConnectionSettings(
        servers=(url,), user="ingest", password=PASSWORD, connect_timeout=SHORTLY
    )
    with pytest.raises(Misconfigured, match="speaks no TLS"):
        await connect(settings)


@pytest.mark.parametrize("demand", ["address", "context"])
async def test_a_server_without_tls_is_not_told_the_password(demand: str) -> None:
    heard = bytearray()

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.15.1","headers":true}\r\n')
        heard.extend(await reader.read(4096))
        writer.close()

    async with await asyncio.start_server(pretend, "127.0.0.1", 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        scheme = "tls" if demand == "address" else "nats"
        tls = ssl.create_default_context() if demand == "context" else None
        settings = ConnectionSettings(
            servers=(f"{scheme}://127.0.0.1:{port}",),
            user="ingest",
            password=PASSWORD,
            tls=tls,
            connect_timeout=SHORTLY,
        )
        with pytest.raises(Misconfigured, match="speaks no TLS"):
            await connect(settings)
    assert bytes(heard) == b""


async def test_a_refusal_is_told_though_a_later_attempt_got_no_answer() -> None:
    visitors = 0

    async def refuse_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visitors
        visitors += 1
        writer.write(b'INFO {"max_payload": 1048576, "auth_required": true}\r\n')
        if visitors == 1:
            writer.write(b"-ERR 'Authorization Violation'\r\n")
        await reader.read()  # until they give up
        writer.close()

    async with await asyncio.start_server(refuse_once, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = ConnectionSettings(
            servers=(f"nats://127.0.0.1:{port}",),
            user="ingest",
            password=PASSWORD,
            connect_timeout=SHORTLY,
            reconnect_wait=timedelta(seconds=0.01),
        )
        with pytest.raises(Misconfigured, match="refuses our credentials"):
            await connect(settings)
    assert visitors == 2


async def test_an_attempt_that_failed_leaves_no_connection_open_behind_the_next() -> None:
    """A server that accepts and says nothing: nats-py connects anew over the same transport."""
    ended = asyncio.Queue[bytes]()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.put_nowait(await reader.read())
        writer.close()

    silent = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        client = SafeClient()
        client.options["connect_timeout"] = 5
        address = Srv(urlparse(f"nats://127.0.0.1:{port}"))
        for _ in range(2):
            await client._connect_to_server(address)
        # Kept open, the first would end only when somebody collects it.
        assert await asyncio.wait_for(ended.get(), timeout=5) == b""
        client._hang_up()
        assert await asyncio.wait_for(ended.get(), timeout=5) == b""


@pytest.mark.parametrize("turns", range(12))
async def test_giving_up_at_any_moment_leaves_no_connection_open(turns: int) -> None:
    """So many turns of the loop after a server has hung up, nats-py may be clearing up."""
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        arrived.set()
        await reader.read()  # until they hang up as well
        ended.set()
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = ConnectionSettings(servers=(f"nats://127.0.0.1:{port}",))
        connecting = asyncio.create_task(connect(settings))
        await asyncio.wait_for(arrived.wait(), timeout=5)
        for _ in range(turns):
            await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await asyncio.wait_for(ended.wait(), timeout=5)
    gc.collect()  # what was left open complains of it


async def test_tls_works_with_a_server_that_speaks_it(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    key_file, cert_file = tmp_path / "key.pem", tmp_path / "cert.pem"
    certificate.private_key_pem.write_to_path(key_file)
    certificate.cert_chain_pems[0].write_to_path(cert_file)
    extra = f'tls {{ cert_file: "{cert_file}", key_file: "{key_file}" }}'
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with own_nats_server(tmp_path, extra) as secure:
        url = secure.url.replace("nats://", "tls://")
        client = await connect(ConnectionSettings(servers=(url,), tls=trusting))
        await client.flush(5)
        await client.close()
        with pytest.raises(Misconfigured, match="certificate is not trusted"):
            await connect(ConnectionSettings(servers=(url,), connect_timeout=SHORTLY))
