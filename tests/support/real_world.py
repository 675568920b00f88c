"""A world on the real servers: a stream, a database and tenants of its own, and the real wiring."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from attrs import frozen
from prometheus_client import CollectorRegistry

from snapshot_domain.delivery import Delivery
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.outcome import Outcome
from snapshot_domain.ports import MessageSource, QuarantinedMessage, TenantKey
from snapshot_ingest.composition import compose, open_resources
from snapshot_ingest.settings import Settings
from snapshot_ingest.settings.loading import load_settings
from snapshot_ingest.stack import INBOX_PREFIX, EmbeddedStack
from support.messages import MORNING, device, message, tenant
from support.nats_server import Place, place_on
from support.nats_users import INGEST, NatsAccess
from support.openbao import RawOpenBao
from support.postgres import INGEST_PASSWORD, PostgresWorld, postgres_world

_DELIVERED_SECONDS = 45.0
_MAX_MESSAGES = 1_000
_MAX_BYTES = 1 << 30


@frozen
class RealWorld:
    """What the settings file names, and a raw look around it."""

    stack: EmbeddedStack
    place: Place
    postgres: PostgresWorld
    openbao: RawOpenBao
    config: Path

    def settings(self, *overrides: str) -> Settings:
        """The settings, as `run` would load them."""
        return load_settings(self.config, overrides, environment={})

    async def register(self, of: str, owner: str) -> None:
        """Registers a device, its tenant and that tenant's key, as the backend does."""
        await self.postgres.register(device(of), tenant(owner))
        await self.openbao.call("POST", f"transit/keys/tenant_{tenant(owner)}", type="aes256-gcm96")

    async def publish(
        self,
        text: str,
        *,
        of: str = "r1",
        owner: str = "acme",
        at: datetime | None = MORNING,
        **overrides: object,
    ) -> None:
        """Publishes a snapshot."""
        body = message(device(of), tenant(owner), text, at, **overrides)
        await self.place.publish(body.reveal())

    async def unsettled(self) -> int:
        """How many messages are not settled, delivered or not."""
        info = await self.place.info()
        return (info.num_ack_pending or 0) + (info.num_pending or 0)

    async def texts(self, of: str = "r1") -> list[str]:
        """The device's timeline: the text of each run, in order, decrypted."""
        runs = await self.postgres.runs(device(of))
        # Workers may store more in between.
        rows = {row.snapshot_id: row for row in await self.postgres.rows(device(of))}
        assert {run.snapshot_id for run in runs} <= set(rows)
        return [await self._text(rows[run.snapshot_id].ciphertext, run.tenant_id) for run in runs]

    async def kept(self) -> Sequence[QuarantinedMessage]:
        """What is in the quarantine."""
        return await self.postgres.kept(self.place.stream)

    async def _text(self, ciphertext: str, owner: TenantId) -> str:
        plaintext = await self.openbao.decrypt(TenantKey(owner), Ciphertext(ciphertext))
        return plaintext.decode()


@frozen
class RealUseCase:
    """The use case as the composition root wires it, one batch at a time."""

    use_case: IngestSnapshot
    source: MessageSource

    async def deliveries(self) -> Sequence[Delivery]:
        """The next deliveries; waits until there are any."""
        async with asyncio.timeout(_DELIVERED_SECONDS):
            while True:
                found = await self.source.fetch(_MAX_MESSAGES, _MAX_BYTES)
                if found:
                    return found

    async def ingest(self) -> Sequence[Outcome]:
        """One batch of what is delivered next."""
        return await self.use_case.ingest(await self.deliveries())


@asynccontextmanager
async def use_case_of(settings: Settings) -> AsyncIterator[RealUseCase]:
    """The real composition of these settings."""
    async with open_resources(settings, CollectorRegistry()) as resources:
        use_case = compose(settings, resources).resolve(IngestSnapshot)
        yield RealUseCase(use_case, resources.source)


@asynccontextmanager
async def real_world(
    stack: EmbeddedStack, folder: Path, *, nats: NatsAccess | None = None
) -> AsyncIterator[RealWorld]:
    """A world in which `r1` to `r3` are devices of `acme`, and `z1` is one of `zeta`.

    Its stream is on the stack's NATS, or on the one of `nats`.
    """
    addresses = stack.addresses
    async with (
        place_on(nats or NatsAccess.of(addresses)) as place,
        postgres_world(addresses.postgres_admin_dsn) as postgres,
        RawOpenBao.of(stack) as openbao,
    ):
        config = folder / "snapshot-ingest.toml"
        _write_settings(config, stack, place, postgres)
        world = RealWorld(stack, place, postgres, openbao, config)
        for of, owner in (("r1", "acme"), ("r2", "acme"), ("r3", "acme"), ("z1", "zeta")):
            await world.register(of, owner)
        yield world


def _write_settings(
    config: Path, stack: EmbeddedStack, place: Place, postgres: PostgresWorld
) -> None:
    password_file = config.with_suffix(".password")
    password_file.write_text(INGEST_PASSWORD)
    nats_password_file = config.with_suffix(".nats.password")
    nats_password_file.write_text(place.access.passwords[INGEST])
    database, role = postgres.database, stack.addresses.ingest_approle
    config.write_text(
        f"""
        [nats]
        url = "{place.access.url}"
        user = "{INGEST}"
        password_file = "{nats_password_file}"
        inbox_prefix = "{INBOX_PREFIX}"
        stream = "{place.stream}"
        subject = "{place.family}.>"
        consumer = "{place.durable}"

        [postgres]
        dsn = "{database.dsn_of(database.ingest_role)}"
        password_file = "{password_file}"

        [openbao]
        url = "{stack.addresses.openbao_url}"
        role_id = "{role.role_id}"
        secret_id_file = "{role.secret_id_file}"

        [http]
        port = 0
        """
    )
