"""A worker's servers and settings, as `up` makes them, and people at the command line."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from attrs import evolve, field, frozen

from snapshot_domain.model import DeviceId, TenantId
from snapshot_domain.ports import QuarantineEntry, QuarantineId, QuarantineSelection
from snapshot_ingest.connections import admin_nats_connection, message_source, postgres_pool
from snapshot_ingest.embedded.registration import NewDevice, NewTenant, register
from snapshot_ingest.embedded.setting_up import ReadyStack, administration
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.settings import CipherFormat, DigestKind
from snapshot_nats import connect, ensure_consumer
from snapshot_postgres import PostgresQuarantineReview, connected
from support.at_work import at_work
from support.messages import MORNING, message, subject_of
from support.waiting import until_true

EVERYTHING = QuarantineSelection()
_COMMAND_SECONDS = 60.0
_SETTLED_SECONDS = 60.0


@frozen
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        """What it printed, by lines."""
        assert self.code == 0, self.err
        return self.out.decode().splitlines()

    @property
    def json(self) -> Any:
        """What it printed, read."""
        assert self.out.count(b"\n") == 1
        return json.loads(self.out)


@frozen
class Fleet:
    """A tenant of a test's own, with one device that nobody registered yet."""

    tenant: TenantId = field(factory=lambda: TenantId(uuid4()))
    device: DeviceId = field(factory=lambda: DeviceId(uuid4()))

    def body(self, text: str, at: datetime = MORNING) -> bytes:
        """A snapshot of the device."""
        return message(self.device, self.tenant, text, at).reveal()


@frozen
class Installation:
    """A worker's servers and settings, and people at the command line."""

    ready: ReadyStack
    folder: Path

    def in_format(self, chosen: str) -> "Installation":
        """The same servers, with workers that write this format."""
        settings = self.ready.settings
        cipher = evolve(settings.cipher, format=CipherFormat(chosen))
        return evolve(self, ready=evolve(self.ready, settings=evolve(settings, cipher=cipher)))

    def keyed(self) -> "Installation":
        """The same servers, with workers whose digests are keyed."""
        settings = evolve(self.ready.settings, digest=DigestKind.KEYED)
        return evolve(self, ready=evolve(self.ready, settings=settings))

    async def command(self, *arguments: object, stdin: int = asyncio.subprocess.DEVNULL) -> Ended:
        """Runs `snapshot-ingest` to its end, in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "snapshot_ingest"),
            *("--config", str(self.ready.settings_file)),
            *map(str, arguments),
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "HOME": str(self.folder),
            },
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), _COMMAND_SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode is not None
        return Ended(process.returncode, out, err.decode())

    async def quarantine(self, *arguments: object) -> Ended:
        """Runs `snapshot-ingest quarantine`."""
        return await self.command("quarantine", *arguments)

    async def kept(self, selection: QuarantineSelection = EVERYTHING) -> Sequence[QuarantineEntry]:
        """What is kept, the newest first, seen without the command line."""
        settings = self.ready.settings
        async with postgres_pool("reader.postgres", settings.reader.postgres) as pool:
            return await PostgresQuarantineReview(pool).newest(selection, 100)

    async def kept_of(self, fleet: Fleet) -> list[QuarantineId]:
        """The ids of what is kept of the device, the newest first."""
        selection = QuarantineSelection(device_id=fleet.device)
        return [entry.entry_id for entry in await self.kept(selection)]

    async def ingest(self, fleet: Fleet, *bodies: bytes) -> None:
        """Publishes the bodies; returns when a worker has settled everything there is."""
        await self.publish(fleet, *bodies)
        await self.work()

    async def publish(self, fleet: Fleet, *bodies: bytes) -> None:
        """Publishes the bodies, and leaves them to whatever worker there is."""
        client = await connect(admin_nats_connection(self.ready.settings))
        try:
            for body in bodies:
                await client.jetstream().publish(subject_of(fleet.device), body, timeout=10)
        finally:
            await client.close()

    async def work(self) -> None:
        """Runs a worker until the backlog is empty."""
        source = message_source(self.ready.settings.nats)

        async def is_settled() -> bool:
            return (await source.backlog()).is_empty

        async with open_ingestion(self.ready.settings) as ingestion, at_work(ingestion):
            try:
                await until_true(is_settled, seconds=_SETTLED_SECONDS)
            finally:
                await source.close()

    async def redeliver_everything(self) -> None:
        """Makes the consumer anew, so that the stream delivers all that it holds once more."""
        nats = self.ready.settings.nats
        client = await connect(admin_nats_connection(self.ready.settings))
        try:
            await client.jetstream().delete_consumer(nats.stream, nats.consumer)
            await ensure_consumer(client, nats.stream, nats.consumer)
        finally:
            await client.close()
        await self.work()

    async def register(self, fleet: Fleet, *, with_key: bool = True) -> None:
        """Registers the tenant and the device, as the backend does."""
        addresses = self.ready.addresses
        device = NewDevice(fleet.device, fleet.tenant, "r1", "192.0.2.1")
        async with (
            connected(addresses.postgres_admin_dsn) as connection,
            administration(addresses.openbao_url, addresses.admin_approle) as openbao,
        ):
            if with_key:
                tenants = [NewTenant(fleet.tenant, str(fleet.tenant))]
                await register(connection, openbao, tenants, [device])
                return
            await connection.execute(
                "INSERT INTO tenants VALUES ($1, $2)", fleet.tenant, str(fleet.tenant)
            )
            await register(connection, openbao, [], [device])

    async def times(self, fleet: Fleet) -> list[datetime]:
        """When the device's stored snapshots were collected."""
        connection = await asyncpg.connect(self.ready.addresses.postgres_admin_dsn, timeout=10)
        try:
            rows = await connection.fetch(
                "SELECT collected_at FROM router_config_snapshots WHERE device_id = $1"
                " ORDER BY collected_at",
                fleet.device,
            )
        finally:
            await connection.close(timeout=10)
        return [row["collected_at"] for row in rows]
