"""The servers of a bench, emptied and filled before each run."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path

import hvac
from attrs import frozen
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import NotFoundError

from snapshot_domain.model import Ciphertext, EncryptedSnapshot, SnapshotKey
from snapshot_ingest.bench.case import Cell, Contender
from snapshot_ingest.bench.contenders.access import Access
from snapshot_ingest.bench.errors import BenchError
from snapshot_ingest.bench.figures import NATS, OPENBAO, POSTGRES
from snapshot_ingest.bench.load import START, Load
from snapshot_ingest.connections import admin_nats_connection, postgres_pool
from snapshot_ingest.embedded.registration import NewDevice, NewTenant, register
from snapshot_ingest.embedded.setting_up import ReadyStack, administration, set_up
from snapshot_ingest.simulator.fleet import SimulatedDevice, SimulatedTenant
from snapshot_ingest.stack import EmbeddedStack
from snapshot_nats import SafeClient, SnapshotPublisher, connect
from snapshot_nats.consumer import ensure_consumer
from snapshot_postgres import Pool, PostgresHashRepository, connected

PUSH_CONSUMER = "bench_push"
PUSH_SUBJECT = "bench.push"
_PAUSED_UNTIL = "2099-01-01T00:00:00Z"
_SEEDS_AT_ONCE = 500
_LOOK_SECONDS = 0.02
_SETTLED_WITHIN_SECONDS = 120.0
_EMPTY = """
TRUNCATE public.router_config_snapshots, snapshot_ingest.heads, snapshot_ingest.snapshots,
         snapshot_ingest.data_keys, snapshot_ingest.quarantine
"""
_SEEDED = Ciphertext("vault:v1:c2VlZA==")


@frozen
class Servers:
    """What the embedded stack does beside its work, by default all of it."""

    audited: bool = True
    encrypted: bool = True

    @property
    def name(self) -> str:
        """The same in words."""
        audit = "audit log on" if self.audited else "no audit log"
        stream = "stream encrypted" if self.encrypted else "stream in clear"
        return f"{audit}, {stream}"


@frozen(eq=False)
class World:
    """The embedded stack with everything made ready, and the ways into it."""

    ready: ReadyStack
    client: SafeClient
    admin: Pool
    ingest: Pool
    log: Path
    overrides: Sequence[str]

    @property
    def server_pids(self) -> dict[str, Sequence[int]]:
        """The servers' processes, by the names that figures have."""
        pids = self.ready.addresses.pids
        return {OPENBAO: [pids.openbao], POSTGRES: [pids.postgres], NATS: [pids.nats]}

    async def register(
        self, tenants: Iterable[SimulatedTenant], devices: Iterable[SimulatedDevice]
    ) -> None:
        """Makes the tenants with their keys, and the devices."""
        addresses = self.ready.addresses
        async with (
            connected(addresses.postgres_admin_dsn) as connection,
            administration(addresses.openbao_url, addresses.admin_approle) as openbao,
        ):
            await register(
                connection,
                openbao,
                [NewTenant(each.tenant_id, each.name) for each in tenants],
                [
                    NewDevice(each.device_id, each.tenant_id, each.hostname, each.ip_address)
                    for each in devices
                ],
            )

    async def empty(self, load: Load) -> None:
        """Empties the tables, and gives each device its head."""
        await self.admin.execute(_EMPTY, timeout=60)
        repository = PostgresHashRepository(self.ingest)
        seeds = iter(load.seeds())
        while part := list(islice(seeds, _SEEDS_AT_ONCE)):
            await repository.store(
                [
                    EncryptedSnapshot(
                        SnapshotKey(device.device_id, device.tenant_id, START, 0, digest),
                        _SEEDED,
                        load.case.size_bytes,
                    )
                    for device, digest in part
                ]
            )
        await self.admin.execute("CHECKPOINT", timeout=60)

    async def access(
        self, cell: Cell, *, settings_file: Path | None = None, latencies_file: Path | None = None
    ) -> Access:
        """What the contender is to be told, with a token that is new: it lives for an hour."""
        ready, nats = self.ready, self.ready.settings.nats
        chosen = cell.contender.stored_as
        return Access(
            settings_file=settings_file or ready.settings_file,
            overrides=[*self.overrides, *([f"cipher.format={chosen}"] if chosen else [])],
            latencies_file=latencies_file,
            nats_url=ready.addresses.nats_url,
            stream=nats.stream,
            subject=nats.subject,
            consumer=PUSH_CONSUMER if cell.contender is Contender.BASELINE else nats.consumer,
            push_subject=PUSH_SUBJECT,
            postgres_dsn=ready.addresses.postgres_admin_dsn,
            openbao_url=ready.addresses.openbao_url,
            openbao_token=await asyncio.to_thread(self._log_in),
        )

    async def make_consumer(self, consumer: str) -> None:
        """Empties the stream, and makes the consumer anew."""
        settings = self.ready.settings.nats
        for name in (settings.consumer, PUSH_CONSUMER):
            try:
                await self._jetstream.delete_consumer(settings.stream, name)
            except NotFoundError:
                continue
        await self._jetstream.purge_stream(settings.stream)
        if consumer == PUSH_CONSUMER:
            await self._make_push_consumer(await self._last_sequence() + 1)
        else:
            await ensure_consumer(self.client, settings.stream, consumer)

    async def publish(self, load: Load, first: int, count: int) -> None:
        """Puts the messages on the stream."""
        await SnapshotPublisher(self.client).publish_all(load.messages(first, count))

    async def hold(self, consumer: str) -> None:
        """From now on the consumer delivers nothing. Everything before is settled, and goes."""
        stream = self.ready.settings.nats.stream
        if consumer == PUSH_CONSUMER:
            # A push consumer that was paused stays silent after its resumption.
            await self._jetstream.delete_consumer(stream, consumer)
        else:
            await self._jetstream.pause_consumer(stream, consumer, _PAUSED_UNTIL)
        await self._jetstream.purge_stream(stream)

    async def release(self, consumer: str, unsettled: int) -> None:
        """From now on it delivers the last so many messages."""
        if consumer == PUSH_CONSUMER:
            await self._make_push_consumer(await self._last_sequence() - unsettled + 1)
        else:
            stream = self.ready.settings.nats.stream
            await self._jetstream.resume_consumer(stream, consumer)

    async def settled(self, consumer: str, look: Callable[[], None]) -> float:
        """The moment (monotonic) at which everything on the stream was seen to be settled.

        `look` raises if there is nobody left who would do it.
        """
        deadline = time.monotonic() + _SETTLED_WITHIN_SECONDS
        while time.monotonic() < deadline:
            info = await self._info(consumer)
            if not info.num_pending and not info.num_ack_pending:
                return time.monotonic()
            look()
            await asyncio.sleep(_LOOK_SECONDS)
        raise BenchError(
            "the messages of a run were not settled",
            expected=f"all of them within {_SETTLED_WITHIN_SECONDS:g} s",
            next_step="give fewer --seconds",
        )

    async def stored(self) -> int:
        """How many rows there are."""
        count: int = await self.admin.fetchval(
            "SELECT count(*) FROM public.router_config_snapshots", timeout=60
        )
        return count

    async def quarantined(self) -> int:
        """How many messages were not ingested."""
        count: int = await self.admin.fetchval("SELECT count(*) FROM snapshot_ingest.quarantine")
        return count

    @property
    def _jetstream(self) -> JetStreamContext:
        return self.client.jetstream()

    def _log_in(self) -> str:
        addresses = self.ready.addresses
        role = addresses.ingest_approle
        answer = hvac.Client(url=addresses.openbao_url).auth.approle.login(
            role.role_id, role.secret_id_file.read_text("utf-8").strip()
        )
        token: str = answer["auth"]["client_token"]
        return token

    async def _info(self, consumer: str) -> ConsumerInfo:
        info: ConsumerInfo = await self._jetstream.consumer_info(
            self.ready.settings.nats.stream, consumer
        )
        return info

    async def _last_sequence(self) -> int:
        info = await self._jetstream.stream_info(self.ready.settings.nats.stream)
        return info.state.last_seq

    async def _make_push_consumer(self, first: int) -> None:
        config = ConsumerConfig(
            durable_name=PUSH_CONSUMER,
            deliver_subject=PUSH_SUBJECT,
            filter_subject=self.ready.settings.nats.subject,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=first,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=30.0,
            max_ack_pending=1000,
        )
        await self._jetstream.add_consumer(self.ready.settings.nats.stream, config)


@asynccontextmanager
async def opened_world(
    directory: Path, servers: Servers, overrides: Sequence[str] = ()
) -> AsyncIterator[World]:
    """The servers while the block lasts."""
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(
            EmbeddedStack(directory, audited=servers.audited, encrypted=servers.encrypted)
        )
        ready = await set_up(directory, running.addresses, overrides)
        settings = ready.settings
        admin = await stack.enter_async_context(
            postgres_pool("admin.postgres", settings.admin.postgres)
        )
        ingest = await stack.enter_async_context(postgres_pool("postgres", settings.postgres))
        client = await connect(admin_nats_connection(settings))
        stack.push_async_callback(client.close)
        yield World(ready, client, admin, ingest, directory / "logs" / "bench.log", overrides)
