"""A host with its own framework, pool and registry ingests beside its own work."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import litestar
import pytest
from fastapi import FastAPI
from litestar.handlers import asgi
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette

import snapshot_ingest
from snapshot_domain.model import Ciphertext
from snapshot_domain.ports import Cipher, CipherAnswer, CipherItem
from snapshot_ingest import HostedIngestion
from snapshot_ingest.stack import EmbeddedStack, ServerName
from snapshot_memory import MemorySnapshotListener
from support.messages import device
from support.postgres import INGEST_PASSWORD
from support.real_world import RealWorld, real_world
from support.waiting import until, until_true

App = Any  # an ASGI app, which each framework types for itself


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with real_world(stack, tmp_path) as world:
        yield world


@asynccontextmanager
async def _starlette(
    ingestion: HostedIngestion, make: type[Starlette] = Starlette
) -> AsyncIterator[App]:
    app = make(lifespan=ingestion)
    app.mount("/ingestion", ingestion.app)
    async with app.router.lifespan_context(app):
        yield app


def _fastapi(ingestion: HostedIngestion) -> AbstractAsyncContextManager[App]:
    return _starlette(ingestion, FastAPI)


@asynccontextmanager
async def _litestar(ingestion: HostedIngestion) -> AsyncIterator[App]:
    mounted = asgi("/ingestion", is_mount=True, copy_scope=True)(ingestion.app)
    app = litestar.Litestar([mounted], lifespan=[ingestion], logging_config=None)
    async with app.lifespan():
        yield app


Serving = Callable[[HostedIngestion], AbstractAsyncContextManager[App]]


@pytest.mark.parametrize("serving", [_starlette, _fastapi, _litestar])
async def test_a_framework_ingests_while_it_serves(world: RealWorld, serving: Serving) -> None:
    await world.publish("hostname r1")
    async with serving(snapshot_ingest.lifespan(world.config)) as app, _client(app) as client:
        await _until_settled(world)
        answer = await client.get("/ingestion/readyz")
        assert (answer.status_code, answer.json()) == (200, {"ready": True, "faults": {}})
        assert "config_snapshot_ingested_total 1.0" in (await client.get("/ingestion/metrics")).text
    assert await world.texts() == ["hostname r1"]


async def test_what_the_host_hands_in_is_used_and_left_as_it_was(world: RealWorld) -> None:
    registry, listener = CollectorRegistry(), MemorySnapshotListener()
    async with _host_pool(world) as pool:
        settings = world.settings()
        async with snapshot_ingest.open(
            settings, registry=registry, pool=pool, listeners=[listener]
        ) as ingestion:
            await world.publish("hostname r1")
            await until(lambda: len(listener.notices) == 1, every_seconds=0.01)
            assert (await ingestion.ready()).is_ready
            assert b"config_snapshot_ingested_total 1.0" in generate_latest(registry)
        assert await pool.fetchval("SELECT 1") == 1
    assert await world.texts() == ["hostname r1"]


async def test_a_pool_of_the_host_is_enough_and_ours_is_not_opened(world: RealWorld) -> None:
    async with _host_pool(world) as pool:
        settings = world.settings("postgres.pool_size=1")
        async with snapshot_ingest.open(settings, pool=pool):
            await world.publish("hostname r1")
            await _until_settled(world)
            names = await world.postgres.admin.fetch(
                "SELECT DISTINCT application_name FROM pg_stat_activity WHERE usename = $1",
                world.postgres.database.ingest_role,
            )
    assert [each["application_name"] for each in names] == ["the host"]


class _OurOwnCipher:
    """An architect's adapter: it answers the port and knows nothing else of ingestion."""

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        return [Ciphertext(f"vault:v9:{each.plaintext.size_bytes}") for each in items]

    async def check(self) -> None:
        """It always works."""


async def test_a_port_that_is_handed_in_is_answered_by_the_host(world: RealWorld) -> None:
    async with snapshot_ingest.open(world.settings(), ports={Cipher: _OurOwnCipher()}) as ingestion:
        await world.publish("hostname r1")
        await _until_settled(world)
        assert (await ingestion.ready()).is_ready
    [row] = await world.postgres.rows(device("r1"))
    assert row.ciphertext == "vault:v9:11"


@pytest.mark.parametrize("server", ["nats", "postgres", "openbao"])
async def test_a_host_starts_without_a_server_and_ingests_once_it_is_there(
    stack: EmbeddedStack, world: RealWorld, server: ServerName
) -> None:
    await world.publish("hostname r1")
    await stack.kill(server)
    async with AsyncExitStack() as host:
        try:
            ingestion = await host.enter_async_context(snapshot_ingest.open(world.config))
            ready = await ingestion.ready()
            assert not ready.is_ready
        finally:
            await stack.start(server)
        await _until_settled(world, seconds=60)
    assert await world.texts() == ["hostname r1"]


async def test_several_processes_of_a_host_share_the_work(world: RealWorld) -> None:
    listeners = MemorySnapshotListener(), MemorySnapshotListener()
    settings = world.settings("worker.batch_messages=1", "worker.batches_in_flight=1")
    async with (
        snapshot_ingest.open(settings, listeners=[listeners[0]]),
        snapshot_ingest.open(settings, listeners=[listeners[1]]),
    ):
        for number in range(40):
            await world.publish(f"version {number}", of=f"r{number % 3 + 1}")
        await _until_settled(world)
    told = [notice.snapshot_id for listener in listeners for notice in listener.notices]
    assert len(told) == len(set(told))


@asynccontextmanager
async def _host_pool(world: RealWorld) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """As a host makes it: with asyncpg's defaults, and no timeout."""
    database = world.postgres.database
    async with asyncpg.create_pool(
        database.dsn_of(database.ingest_role),
        password=INGEST_PASSWORD,
        min_size=1,
        server_settings={"application_name": "the host"},
    ) as pool:
        yield pool


def _client(app: App) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host")


async def _until_settled(world: RealWorld, seconds: float = 30) -> None:
    async def is_settled() -> bool:
        return await world.unsettled() == 0

    await until_true(is_settled, seconds=seconds)
