"""The accounts of `up` add up, however late the server takes note and however a stop ended."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from attrs import evolve
from prometheus_client import CollectorRegistry

from snapshot_domain.delivery import Ack
from snapshot_domain.errors import Dependency, Unavailable
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.outcome import Stored
from snapshot_ingest.composition import compose, open_resources
from snapshot_ingest.embedded.summary import Accounts
from snapshot_ingest.stack import EmbeddedStack
from snapshot_ingest.tally import Tally
from snapshot_postgres import PostgresStatus, StoreStatus
from support.faults import FaultySource
from support.real_world import RealUseCase, RealWorld, real_world, use_case_of


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with real_world(stack, tmp_path) as world:
        yield world


@pytest.fixture
async def worker(world: RealWorld) -> AsyncIterator[RealUseCase]:
    async with use_case_of(world.settings()) as worker:
        yield worker


class _StatusBefore(PostgresStatus):
    """Does something once it is read: whoever reads both has then looked at the stream."""

    def __init__(self, world: RealWorld) -> None:
        super().__init__(world.postgres.admin)
        self.then: Callable[[], Awaitable[object]] | None = None

    async def read(self) -> StoreStatus:
        status = await super().read()
        if self.then is not None:
            then, self.then = self.then, None
            await then()
        return status


async def test_what_is_taken_note_of_late_was_settled_all_the_same(
    world: RealWorld, worker: RealUseCase
) -> None:
    status, tally = _StatusBefore(world), Tally()
    accounts = Accounts(world.place.client, status, world.settings(), tally)
    await accounts.open()
    await world.publish("hostname r1")
    settled = [(each, Ack()) for each in await worker.deliveries()]
    status.then = lambda: worker.source.settle(settled)
    tally.unchanged += 1
    accounts.stop_clock()
    summary = await accounts.close()
    assert (summary.published, summary.unchanged, summary.backlog) == (1, 1, 0)


async def test_what_was_stored_but_not_acknowledged_at_a_stop_counts_once(
    world: RealWorld,
) -> None:
    accounts = Accounts(
        world.place.client, PostgresStatus(world.postgres.admin), world.settings(), Tally()
    )
    await accounts.open()
    await world.publish("hostname r1")
    async with open_resources(world.settings(), CollectorRegistry()) as resources:
        source = FaultySource(
            resources.source, settle_faults=[Unavailable(Dependency.SOURCE, "no answer")]
        )
        wired = compose(world.settings(), evolve(resources, source=source))
        worker = RealUseCase(wired.resolve(IngestSnapshot), source)
        [outcome] = await worker.ingest()
    assert isinstance(outcome, Stored)
    accounts.stop_clock()
    summary = await accounts.close()
    assert (summary.published, summary.stored) == (1, 1)
    assert (summary.unchanged, summary.backlog) == (0, 0)
