"""A stream between the former subscriber and our workers, and the command that hands it over."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from nats.js.errors import NotFoundError
from typed_settings import Secret

from snapshot_domain.model import Ciphertext
from snapshot_domain.ports import TenantKey
from snapshot_ingest.commands.takeover import TakeOverOptions, carried_out
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.settings import NatsLoginSettings, PostgresSettings, Settings
from snapshot_ingest.stack import EmbeddedStack
from snapshot_ingest.takeover.parties import Patience, Step
from snapshot_ingest.takeover.planning import Account
from support.at_work import at_work
from support.former_subscriber import Fate, FormerSubscriber, former_subscriber
from support.messages import device
from support.nats_users import ADMIN
from support.real_world import RealWorld, real_world
from support.waiting import until_true

ACK_WAIT_SECONDS = 1.0
HURRIED = Patience(
    reconnect=timedelta(seconds=0.2),
    leaving=timedelta(seconds=3),
    transactions=timedelta(seconds=10),
    stirring=timedelta(seconds=10),
    look_every=timedelta(seconds=0.02),
)


def _quietly(_: Step) -> None:
    """Where nobody wants to be told."""


@frozen
class HandedOver(RealWorld):
    """A real world whose consumer is, at first, whichever comes."""

    def administered(self) -> Settings:
        """The settings with the sections of people."""
        login = NatsLoginSettings(user=ADMIN, password=Secret(self.place.access.passwords[ADMIN]))
        settings = self.settings()
        postgres = PostgresSettings(dsn=Secret(self.postgres.database.admin_dsn))
        return evolve(settings, admin=evolve(settings.admin, nats=login, postgres=postgres))

    def former(
        self,
        fate: Callable[[str], Fate] = lambda _: Fate.WHOLE,
        *,
        durable: str | None = None,
        ack_wait: float | None = ACK_WAIT_SECONDS,
    ) -> AbstractAsyncContextManager[FormerSubscriber]:
        """The former subscriber at work; killed at the block's end."""
        return former_subscriber(
            self.place.access,
            self.openbao,
            self.postgres.admin,
            stream=self.place.stream,
            durable=durable or self.place.durable,
            subject=f"{self.place.family}.>",
            fate=fate,
            ack_wait=ack_wait,
        )

    async def take_over(
        self,
        *,
        back: bool = False,
        for_real: bool = True,
        tell: Callable[[Step], None] = _quietly,
        patience: Patience = HURRIED,
        **options: Any,
    ) -> Account:
        """Runs the command's deed; `tell` may raise, as if it were killed there."""
        asked = TakeOverOptions(back=back, for_real=for_real, **options)
        return await carried_out(self.administered(), asked, tell, patience)

    async def work(self, *overrides: str) -> None:
        """Runs a worker with these settings until everything is settled."""

        async def is_settled() -> bool:
            try:
                return not await self.unsettled()
            except NotFoundError:  # the worker is about to make it
                return False

        async with open_ingestion(self.settings(*overrides)) as ingestion, at_work(ingestion):
            await until_true(is_settled)

    async def until_delivered(self, count: int) -> None:
        """Waits until so many messages were delivered."""

        async def are_delivered() -> bool:
            delivered = (await self.place.info()).delivered
            return delivered is not None and delivered.consumer_seq >= count

        await until_true(are_delivered)

    async def until_acknowledged(self, count: int, durable: str | None = None) -> None:
        """Waits until so many of the delivered messages are acknowledged."""

        async def are_acknowledged() -> bool:
            info = await self.place.jetstream.consumer_info(
                self.place.stream, durable or self.place.durable
            )
            delivered = info.delivered.consumer_seq if info.delivered else 0
            return delivered - (info.num_ack_pending or 0) >= count

        await until_true(are_acknowledged)

    async def row_texts(self, of: str) -> list[str]:
        """The device's rows in the backend's table: the text of each, in order of their times."""
        rows = sorted(await self.postgres.rows(device(of)), key=lambda row: row.collected_at)
        return [
            (
                await self.openbao.decrypt(TenantKey(row.tenant_id), Ciphertext(row.ciphertext))
            ).decode()
            for row in rows
        ]


@asynccontextmanager
async def handed_over(stack: EmbeddedStack, folder: Path) -> AsyncIterator[HandedOver]:
    """A world without a consumer."""
    async with real_world(stack, folder) as world:
        await world.place.jetstream.delete_consumer(world.place.stream, world.place.durable)
        yield HandedOver(world.stack, world.place, world.postgres, world.openbao, world.config)
