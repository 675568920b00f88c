"""An outage pauses intake: it burns no deliveries, and ends within seconds of the recovery."""

from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest
from attrs import define, field

from snapshot_domain.errors import Dependency
from snapshot_domain.events import Event, IntakePaused, IntakeResumed
from snapshot_ingest.ingestion import Ingestion, open_ingestion
from snapshot_ingest.stack import EmbeddedStack, ServerName
from snapshot_ingest.tally import Tally
from support.messages import MORNING
from support.real_world import RealWorld, real_world
from support.waiting import until, until_true

MESSAGES = 60
IN_HAND_AT_MOST = 2 * 5
OUTAGE_SECONDS = 4.0
RESUMED_WITHIN_SECONDS = 8.0

_SMALL_BATCHES = ("worker.batch_messages=5", "worker.batches_in_flight=2")


@define
class Pauses:
    """Which dependencies intake pauses for now, and for which it ever did."""

    now: set[Dependency] = field(factory=set)
    ever: set[Dependency] = field(factory=set)

    def record(self, event: Event) -> None:
        """See Metrics."""
        if isinstance(event, IntakePaused):
            self.now.add(event.dependency)
            self.ever.add(event.dependency)
        if isinstance(event, IntakeResumed):
            self.now.discard(event.dependency)


async def publish_changes(world: RealWorld) -> None:
    for number in range(MESSAGES):
        await world.publish(f"text {number}", at=MORNING + number * timedelta(hours=1))


def is_paused_metric(ingestion: Ingestion, dependency: Dependency) -> float | None:
    return ingestion.registry.get_sample_value(
        "snapshot_ingest_paused_dependencies", {"dependency": dependency}
    )


@pytest.mark.parametrize(
    ("server", "dependency"),
    [("openbao", Dependency.CIPHER), ("postgres", Dependency.DIRECTORY)],
)
async def test_while_a_server_is_down_intake_pauses_and_deliveries_are_spared(
    stack: EmbeddedStack, tmp_path: Path, server: ServerName, dependency: Dependency
) -> None:
    pauses, tally = Pauses(), Tally()
    async with real_world(stack, tmp_path) as world:
        await publish_changes(world)
        settings = world.settings(*_SMALL_BATCHES)
        async with open_ingestion(settings, watchers=[pauses, tally]) as ingestion:
            await stack.kill(server)
            async with ingestion.running():
                began = monotonic()
                await until(lambda: dependency in pauses.now, every_seconds=0.02)
                assert is_paused_metric(ingestion, dependency) == 1
                assert dependency in await ingestion.faults()
                await until(lambda: monotonic() - began > OUTAGE_SECONDS, every_seconds=0.1)
                pending = (await world.place.info()).num_pending or 0
                assert pending >= MESSAGES - IN_HAND_AT_MOST
                await stack.start(server)
                resumed_by = monotonic() + RESUMED_WITHIN_SECONDS
                await until(lambda: not pauses.now, seconds=30, every_seconds=0.02)
                assert monotonic() < resumed_by
                await until_true(lambda: _all_settled(world), seconds=60)
                assert is_paused_metric(ingestion, dependency) == 0
        info = await world.place.info()
        assert len(await world.texts()) == MESSAGES
    assert info.delivered is not None
    assert info.delivered.consumer_seq <= MESSAGES + 3 * IN_HAND_AT_MOST
    assert tally.rejected == 0


async def test_a_role_that_lost_its_rights_pauses_it_until_they_are_granted_again(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    pauses, tally = Pauses(), Tally()
    async with real_world(stack, tmp_path) as world:
        await publish_changes(world)
        role = world.postgres.database.ingest_role
        await world.postgres.admin.execute(f"REVOKE SELECT ON devices FROM {role}")
        settings = world.settings(*_SMALL_BATCHES)
        async with (
            open_ingestion(settings, watchers=[pauses, tally]) as ingestion,
            ingestion.running(),
        ):
            await until(lambda: Dependency.DIRECTORY in pauses.now, every_seconds=0.02)
            faults = await ingestion.faults()
            assert "migrate" in faults[Dependency.DIRECTORY]
            await world.postgres.admin.execute(f"GRANT SELECT ON devices TO {role}")
            await until_true(lambda: _all_settled(world), seconds=60)
        assert len(await world.texts()) == MESSAGES
    assert tally.rejected == 0


async def _all_settled(world: RealWorld) -> bool:
    return await world.unsettled() == 0
