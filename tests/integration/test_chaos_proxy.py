"""The proxy of chaos passes on what it is given, until it is told to be a bad connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from chaos.proxy import Proxy
from snapshot_ingest.stack.ports import HOST
from support.waiting import until

_SECONDS = 5.0


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A server that answers with what it is sent; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def connection_to(port: int) -> AsyncIterator["Connection"]:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def echoed(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await asyncio.wait_for(self.reader.readexactly(len(data)), _SECONDS)

    async def until_ended(self) -> None:
        async with asyncio.timeout(_SECONDS):
            try:
                assert not await self.reader.read()
            except ConnectionError:
                return


async def test_it_passes_on_both_ways_whatever_the_size() -> None:
    async with echo() as port, Proxy(port) as proxy, connection_to(proxy.port) as connection:
        assert await connection.echoed(b"x" * 1_000_000) == b"x" * 1_000_000
        assert proxy.connections == 1
    assert proxy.connections == 0


async def test_a_cut_ends_what_is_open_and_lets_new_ones_in() -> None:
    async with echo() as port, Proxy(port) as proxy:
        async with connection_to(proxy.port) as connection:
            assert await connection.echoed(b"before") == b"before"
            await proxy.cut()
            await connection.until_ended()
        async with connection_to(proxy.port) as connection:
            assert await connection.echoed(b"after") == b"after"


async def test_refusing_ends_new_connections_and_leaves_open_ones_alone() -> None:
    async with echo() as port, Proxy(port) as proxy, connection_to(proxy.port) as open_one:
        assert await open_one.echoed(b"before") == b"before"
        proxy.is_refusing = True
        async with connection_to(proxy.port) as refused:
            await refused.until_ended()
        assert await open_one.echoed(b"still") == b"still"
        proxy.is_refusing = False
        async with connection_to(proxy.port) as connection:
            assert await connection.echoed(b"again") == b"again"


@pytest.mark.parametrize("delay_seconds", [0.1, 0.3])
async def test_a_delay_holds_up_each_piece_in_each_direction(delay_seconds: float) -> None:
    async with echo() as port, Proxy(port) as proxy, connection_to(proxy.port) as connection:
        await connection.echoed(b"fast")
        proxy.delay_seconds = delay_seconds
        began = monotonic()
        await connection.echoed(b"slow")
        assert monotonic() - began >= 2 * delay_seconds


async def test_without_a_server_behind_it_a_connection_ends_at_once() -> None:
    async with echo() as port:
        pass
    async with Proxy(port) as proxy, connection_to(proxy.port) as connection:
        await connection.until_ended()
        await until(lambda: proxy.connections == 0, seconds=_SECONDS)
