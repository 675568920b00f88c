"""Everything that a run of chaos needs: the servers, the proxies before them, the workers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from attrs import evolve, frozen
from nats.js import JetStreamContext

from chaos.cluster import NODES, NatsCluster, nats_cluster
from chaos.plan import Target
from chaos.proxy import Proxy
from chaos.traffic import Traffic
from chaos.workers import Crew, crew_of
from snapshot_ingest.embedded.files import RoleAccess
from snapshot_ingest.embedded.registration import NewDevice, NewTenant, register
from snapshot_ingest.embedded.setting_up import ReadyStack, administration, set_up
from snapshot_ingest.stack import EmbeddedStack, StackAddresses
from snapshot_ingest.stack.ports import HOST
from snapshot_nats import StreamShape, connect
from snapshot_nats.errors import NATS_FAULTS
from snapshot_postgres import connected
from support.nats_users import ADMIN, NatsAccess
from support.openbao import RawOpenBao
from support.waiting import until_true

_Answer = TypeVar("_Answer")

MAX_CONNECTIONS = 30
"""PostgreSQL's, with the three that it keeps for superusers: quickly used up."""

_LINK_DELAY_SECONDS = 0.008
"""Of every connection, always: so that there is nearly always something in flight."""

_STREAM_MAX_BYTES = 512 * 1024 * 1024
_CLUSTER_SECONDS = 60.0
_ANSWER_SECONDS = 3.0
_AGAIN_SECONDS = 0.2
_READER = "snapshot_ingest_reader"
_SMALL_BATCHES = (
    "worker.batch_messages=10",
    "worker.batches_in_flight=3",
    "postgres.pool_size=4",
)


@frozen
class World:
    """What the faults strike, and the ways around the proxies by which the outcome is seen.

    The workers and the `poller` reach the servers through the proxies; `stack.addresses`,
    `jetstream` and `openbao` are an administrator's, who goes around them.
    """

    folder: Path
    stack: EmbeddedStack
    cluster: NatsCluster
    proxies: Mapping[Target, Sequence[Proxy]]
    jetstream: JetStreamContext
    poller: JetStreamContext
    openbao: RawOpenBao
    crew: Crew
    stream: str
    consumer: str

    @property
    def reader_dsn(self) -> str:
        """The database as the reader's role, around the proxy."""
        password_file = self.folder / "stack" / "secrets" / f"{_READER}.password"
        access = RoleAccess(_READER, password_file)
        return access.dsn_with_password(self.stack.addresses.postgres_admin_dsn)

    async def answer(self, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """What JetStream answers, asked again while it has no leader. Raises TimeoutError."""
        async with asyncio.timeout(_CLUSTER_SECONDS):
            while True:
                with suppress(*NATS_FAULTS):
                    return await ask()
                await asyncio.sleep(_AGAIN_SECONDS)

    async def unsettled(self) -> int:
        """How many messages are not settled, delivered or not."""
        info = await self.answer(lambda: self.jetstream.consumer_info(self.stream, self.consumer))
        return (info.num_ack_pending or 0) + (info.num_pending or 0)


@asynccontextmanager
async def chaos_world(folder: Path, traffic: Traffic) -> AsyncIterator[World]:
    """A new world below the folder, in which three workers ingest."""
    async with AsyncExitStack() as opened:
        stack = await opened.enter_async_context(EmbeddedStack(folder / "stack"))
        # The cluster takes the place of the stack's single server.
        await stack.stop("nats")
        cluster = await opened.enter_async_context(
            nats_cluster(folder / "nats", folder / "stack" / "secrets" / "nats_users.conf")
        )
        await _limit_connections(stack)
        proxies = await _proxies(opened, stack.addresses, cluster)
        access = NatsAccess.of(stack.addresses)
        jetstream = await _jetstream(opened, access.at(",".join(cluster.urls)))
        shape = StreamShape(max_bytes=_STREAM_MAX_BYTES)
        await until_true(lambda: _has_stream(jetstream, shape), seconds=_CLUSTER_SECONDS)
        ready = await set_up(folder / "stack", _proxied(stack.addresses, proxies), ())
        await _register(ready, traffic)
        openbao = await opened.enter_async_context(RawOpenBao.of(stack))
        proxied = ",".join(f"nats://{HOST}:{proxy.port}" for proxy in proxies[Target.NATS])
        arguments = _arguments(ready.settings_file, f"nats.url={proxied}", *_SMALL_BATCHES)
        crew = await opened.enter_async_context(crew_of(arguments, folder / "workers"))
        yield World(
            folder=folder,
            stack=stack,
            cluster=cluster,
            proxies=proxies,
            jetstream=jetstream,
            poller=await _jetstream(opened, access.at(proxied)),
            openbao=openbao,
            crew=crew,
            stream=shape.name,
            consumer=ready.settings.nats.consumer,
        )


async def _jetstream(opened: AsyncExitStack, access: NatsAccess) -> JetStreamContext:
    client = await connect(access.connection(ADMIN))
    opened.push_async_callback(client.close)
    return client.jetstream(timeout=_ANSWER_SECONDS)


async def _limit_connections(stack: EmbeddedStack) -> None:
    async with connected(stack.addresses.postgres_admin_dsn) as connection:
        await connection.execute(f"ALTER SYSTEM SET max_connections = {MAX_CONNECTIONS}")
    await stack.restart("postgres")


async def _proxies(
    opened: AsyncExitStack, addresses: StackAddresses, cluster: NatsCluster
) -> Mapping[Target, Sequence[Proxy]]:
    async def proxy(url: str) -> Proxy:
        port = urlsplit(url).port
        assert port is not None
        return await opened.enter_async_context(Proxy(port, delay_seconds=_LINK_DELAY_SECONDS))

    return {
        Target.NATS: [await proxy(url) for url in cluster.urls],
        Target.POSTGRES: [await proxy(addresses.postgres_admin_dsn)],
        Target.OPENBAO: [await proxy(addresses.openbao_url)],
    }


def _proxied(
    addresses: StackAddresses, proxies: Mapping[Target, Sequence[Proxy]]
) -> StackAddresses:
    return evolve(
        addresses,
        nats_url=_through(addresses.nats_url, proxies[Target.NATS][0]),
        postgres_admin_dsn=_through(addresses.postgres_admin_dsn, proxies[Target.POSTGRES][0]),
        openbao_url=_through(addresses.openbao_url, proxies[Target.OPENBAO][0]),
    )


def _through(url: str, proxy: Proxy) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{proxy.port}"))


async def _has_stream(jetstream: JetStreamContext, shape: StreamShape) -> bool:
    """A young cluster has no leader yet, and refuses at first."""
    try:
        await jetstream.add_stream(shape.config().evolve(num_replicas=NODES))
    except NATS_FAULTS:
        return False
    return True


async def _register(ready: ReadyStack, traffic: Traffic) -> None:
    fleet, addresses = traffic.fleet, ready.addresses
    tenants = [NewTenant(each.tenant_id, each.name) for each in fleet.tenants()]
    devices = [
        NewDevice(each.device_id, each.tenant_id, each.hostname, each.ip_address)
        for each in fleet.devices()
    ]
    async with (
        administration(addresses.openbao_url, addresses.admin_approle) as openbao,
        connected(addresses.postgres_admin_dsn) as connection,
    ):
        await register(connection, openbao, tenants, devices)


def _arguments(settings_file: Path, *settings: str) -> Sequence[str]:
    overrides = (word for setting in settings for word in ("--set", setting))
    return ("--config", str(settings_file), *overrides, "run")
