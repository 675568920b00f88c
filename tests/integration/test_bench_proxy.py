"""The bench's proxy passes everything on, in order, over a way of any length."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from snapshot_ingest.bench.children import started
from snapshot_ingest.bench.errors import BenchError
from snapshot_ingest.bench.proxy import ProxyOrder
from snapshot_ingest.stack.ports import HOST

_MODULE = "snapshot_ingest.bench.proxy"


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@pytest.fixture
async def echo_port() -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        await _closed(writer)

    async with await asyncio.start_server(echo, HOST, 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("one_way_seconds", [0.0, 0.005])
async def test_what_goes_in_comes_out_in_its_order(
    echo_port: int, tmp_path: Path, one_way_seconds: float
) -> None:
    content = os.urandom(32 * 1024 * 1024)
    order = ProxyOrder([echo_port], one_way_seconds)
    async with started(_MODULE, [], order.encode(), tmp_path / "log") as proxy:
        (port,) = json.loads(await proxy.answer())
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(content)
        async with asyncio.timeout(60):
            assert await reader.readexactly(len(content)) == content
            writer.write_eof()
            assert await reader.read() == b""
        await _closed(writer)


async def test_whoever_cannot_be_reached_is_a_connection_that_ends(tmp_path: Path) -> None:
    async with await asyncio.start_server(lambda *_: None, HOST, 0) as server:
        nobody = server.sockets[0].getsockname()[1]
    async with started(_MODULE, [], ProxyOrder([nobody], 0.0).encode(), tmp_path / "log") as proxy:
        (port,) = json.loads(await proxy.answer())
        reader, writer = await asyncio.open_connection(HOST, port)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        await _closed(writer)


async def test_a_process_that_fails_is_named_with_the_class_of_its_error(tmp_path: Path) -> None:
    order = ProxyOrder([1], 0.0).encode().replace("[1]", "1")
    with pytest.raises(BenchError, match="it failed with TypeError"):
        async with started(_MODULE, [], order, tmp_path / "log"):
            pass
