"""The endpoints on a real socket: served in the running loop, and gone when the block ends."""

import asyncio
import signal
import socket

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from snapshot_ingest.http.app import http_app
from snapshot_ingest.http.server import HttpServerError, serving
from snapshot_ingest.settings import HttpSettings


async def _no_faults() -> dict[str, str]:
    return {}


@pytest.fixture
def app() -> Starlette:
    registry = CollectorRegistry()
    return http_app(lambda: registry, _no_faults)


@pytest.mark.parametrize(
    ("host", "beginning"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://localhost:"),
        ("::1", "http://[::1]:"),
    ],
)
async def test_it_serves_at_the_address_that_it_says(
    app: Starlette, host: str, beginning: str
) -> None:
    async with serving(app, HttpSettings(host=host, port=0)) as url, httpx.AsyncClient() as client:
        assert url.startswith(beginning)
        assert (await client.get(f"{url}/healthz")).text == "alive\n"
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/healthz")


async def test_a_connection_that_stays_open_does_not_keep_it_from_ending(app: Starlette) -> None:
    async with (
        httpx.AsyncClient() as client,
        asyncio.timeout(20),
        serving(app, HttpSettings(port=0)) as url,
    ):
        await client.get(f"{url}/healthz")


async def test_it_ends_with_a_block_that_fails(app: Starlette) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(ZeroDivisionError):
        async with serving(app, HttpSettings(port=0)):
            raise ZeroDivisionError
    assert asyncio.all_tasks() <= before


async def test_signals_stay_with_whoever_runs_the_loop(app: Starlette) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    async with serving(app, HttpSettings(port=0)) as url, httpx.AsyncClient() as client:
        await client.get(f"{url}/healthz")
        during = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    assert during == before


async def test_a_port_that_is_taken_is_one_clear_line(app: Starlette) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HttpServerError) as error:
            async with serving(app, HttpSettings(port=port)):
                raise AssertionError("it must not be served")
    assert str(error.value).startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert str(error.value).isprintable()
    assert error.value.__context__ is None


async def test_a_host_that_is_not_ours_is_one_clear_line(app: Starlette) -> None:
    with pytest.raises(HttpServerError, match=r"cannot listen on 192\.0\.2\.1:0"):
        async with serving(app, HttpSettings(host="192.0.2.1", port=0)):
            raise AssertionError("it must not be served")
