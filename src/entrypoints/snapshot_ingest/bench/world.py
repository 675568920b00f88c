"""The servers of a bench, emptied and filled before each run."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path

from attrs import frozen
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import NotFoundError

from snapshot_domain.model import Ciphertext, EncryptedSnapshot, SnapshotKey
from snapshot_ingest.bench.case import Contender
from snapshot_ingest.bench.load import START, Load
from snapshot_ingest.connections import nats_connection, postgres_pool
from snapshot_ingest.embedded.registration import NewDevice, NewTenant, register
from snapshot_ingest.embedded.setting_up import ReadyStack, administration, set_up
from snapshot_ingest.stack import EmbeddedStack
from snapshot_nats import SafeClient, SnapshotPublisher, connect
from snapshot_nats.consumer import ensure_consumer
from snapshot_postgres import Pool, PostgresHashRepository, connected

STREAM = "DEVICE_EVENTS"
PUSH_CONSUMER = "bench_push"
PUSH_SUBJECT = "bench.push"
_PAUSED_UNTIL = "2099-01-01T00:00:00Z"
_SEEDS_AT_ONCE = 500
_LOOK_SECONDS = 0.02
_SETTLED_WITHIN_SECONDS = 60.0
_EMPTY = """
TRUNCATE public.router_config_snapshots, snapshot_ingest.heads, snapshot_ingest.snapshots,
         snapshot_ingest.data_keys, snapshot_ingest.quarantine
"""
_SEEDED = Ciphertext("vault:v1:c2VlZA==")


@frozen(eq=False)
class World:
    """The embedded stack with everything made ready, and the ways into it."""

    ready: ReadyStack
    client: SafeClient
    admin: Pool
    ingest: Pool

    async def prepare(self, load: Load, contender: Contender) -> str:
        """Empties stream and tables, and gives each device its head. The consumer's name."""
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
        return await self._make_consumer(contender)

    async def register(self, load: Load) -> None:
        """Makes the tenants with their keys, and the devices."""
        tenants = [NewTenant(each.tenant_id, each.name) for each in load.fleet.tenants()]
        devices = [
            NewDevice(each.device_id, each.tenant_id, each.hostname, each.ip_address)
            for each in load.fleet.devices()
        ]
        addresses = self.ready.addresses
        async with (
            connected(addresses.postgres_admin_dsn) as connection,
            administration(addresses.openbao_url, addresses.admin_approle) as openbao,
        ):
            await register(connection, openbao, tenants, devices)

    async def publish(self, load: Load, first: int, count: int) -> None:
        """Puts the messages on the stream."""
        await SnapshotPublisher(self.client).publish_all(load.messages(first, count))

    async def pause(self, consumer: str) -> None:
        """From now on the consumer delivers nothing; everything before is settled."""
        if consumer == PUSH_CONSUMER:
            # A push consumer that was paused stays silent after its resumption.
            await self._jetstream.delete_consumer(STREAM, consumer)
        else:
            await self._jetstream.pause_consumer(STREAM, consumer, _PAUSED_UNTIL)

    async def resume(self, consumer: str, unsettled: int) -> None:
        """From now on it delivers the last so many messages."""
        if consumer == PUSH_CONSUMER:
            state = (await self._jetstream.stream_info(STREAM)).state
            await self._make_push_consumer(state.last_seq - unsettled + 1)
        else:
            await self._jetstream.resume_consumer(STREAM, consumer)

    async def settled(self, consumer: str) -> float:
        """The moment (monotonic) at which everything on the stream was seen to be settled."""
        deadline = time.monotonic() + _SETTLED_WITHIN_SECONDS
        while time.monotonic() < deadline:
            info = await self.info(consumer)
            if not info.num_pending and not info.num_ack_pending:
                return time.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)
        raise TimeoutError(f"{consumer} was not done within {_SETTLED_WITHIN_SECONDS:g} s")

    async def info(self, consumer: str) -> ConsumerInfo:
        """What JetStream says of the consumer."""
        return await self._jetstream.consumer_info(STREAM, consumer)

    async def stored(self) -> int:
        """How many rows there are."""
        count: int = await self.admin.fetchval("SELECT count(*) FROM router_config_snapshots")
        return count

    @property
    def _jetstream(self) -> JetStreamContext:
        return self.client.jetstream()

    async def _make_consumer(self, contender: Contender) -> str:
        settings = self.ready.settings.nats
        pull = settings.consumer
        for name in (pull, PUSH_CONSUMER):
            try:
                await self._jetstream.delete_consumer(STREAM, name)
            except NotFoundError:
                continue
        await self._jetstream.purge_stream(STREAM)
        if contender is not Contender.BASELINE:
            await ensure_consumer(self.client, settings.stream, pull)
            return pull
        await self._make_push_consumer((await self._jetstream.stream_info(STREAM)).state.last_seq + 1)
        return PUSH_CONSUMER

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
        await self._jetstream.add_consumer(STREAM, config)


@asynccontextmanager
async def opened_world(directory: Path, *, bare: bool, overrides: Sequence[str]) -> AsyncIterator[World]:
    """The servers while the block lasts."""
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(EmbeddedStack(directory, bare=bare))
        ready = await set_up(directory, servers.addresses, overrides)
        settings = ready.settings
        admin = await stack.enter_async_context(
            postgres_pool("admin.postgres", settings.admin.postgres)
        )
        ingest = await stack.enter_async_context(postgres_pool("postgres", settings.postgres))
        client = await connect(nats_connection(settings.nats))
        stack.push_async_callback(client.close)
        yield World(ready, client, admin, ingest)
