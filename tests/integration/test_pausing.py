"""An outage pauses intake: it burns no deliveries, and ends within seconds of the recovery."""

import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from datetime import timedelta
from pathlib import Path
from signal import SIGHUP
from time import monotonic
from typing import TypeAlias

import pytest
from attrs import define, evolve, field
from typed_settings import Secret

from snapshot_domain.errors import Dependency
from snapshot_domain.events import Event, IntakePaused, IntakeResumed
from snapshot_ingest.ingestion import Ingestion, open_ingestion
from snapshot_ingest.stack import EmbeddedStack, ServerName
from snapshot_ingest.tally import Tally
from snapshot_nats import ensure_consumer
from support.at_work import at_work
from support.authority import Authority
from support.consumers import delete_consumer
from support.messages import MORNING
from support.postgres_front import PostgresFront
from support.real_world import RealWorld, real_world
from support.waiting import until, until_true

MESSAGES = 60
IN_HAND_AT_MOST = 2 * 5
OUTAGE_SECONDS = 2.5
RESUMED_WITHIN_SECONDS = 8.0

Outage: TypeAlias = Callable[[RealWorld], AbstractAsyncContextManager[None]]
"""Lasts as long as its block, at whose end it is mended."""

_FULL_DEVICE = Path("/dev/full")
_SMALL_BATCHES = ("worker.batch_messages=5", "worker.batches_in_flight=2")


# Both are asked at once, and either may be the first to fail.
_OF_POSTGRES = frozenset({Dependency.DIRECTORY, Dependency.REPOSITORY})


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


@asynccontextmanager
async def openbao_killed(world: RealWorld) -> AsyncIterator[None]:
    async with _killed(world.stack, "openbao"):
        yield


@asynccontextmanager
async def postgres_killed(world: RealWorld) -> AsyncIterator[None]:
    async with _killed(world.stack, "postgres"):
        yield


@asynccontextmanager
async def audit_device_full(world: RealWorld) -> AsyncIterator[None]:
    """Every request is answered with 500, and that of health with 200."""
    addresses = world.stack.addresses
    try:
        with _leads_to_full_device(addresses.openbao_audit_log):
            os.kill(addresses.pids.openbao, SIGHUP)
            await until_true(lambda: _answers_with(world, 500))
            yield
    finally:
        os.kill(addresses.pids.openbao, SIGHUP)


@contextmanager
def _leads_to_full_device(log: Path) -> Iterator[None]:
    kept = log.with_suffix(".kept")
    mode = stat.S_IMODE(_FULL_DEVICE.stat().st_mode)
    log.rename(kept)
    log.symlink_to(_FULL_DEVICE)
    try:
        yield
    finally:
        log.unlink()
        kept.rename(log)
        # OpenBao gives its audit log a mode of its own, and as root the device with it.
        if stat.S_IMODE(_FULL_DEVICE.stat().st_mode) != mode:
            _FULL_DEVICE.chmod(mode)


async def _answers_with(world: RealWorld, status: int) -> bool:
    assert (await world.openbao.request("GET", "sys/health")).status_code == 200
    return (await world.openbao.request("GET", "auth/token/lookup-self")).status_code == status


@asynccontextmanager
async def postgres_read_only(world: RealWorld) -> AsyncIterator[None]:
    """As an administrator or a failover leaves it; every session follows."""
    await world.postgres.admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    try:
        await world.postgres.admin.execute("SELECT pg_reload_conf()")
        yield
    finally:
        await world.postgres.admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await world.postgres.admin.execute("SELECT pg_reload_conf()")


@asynccontextmanager
async def _killed(stack: EmbeddedStack, server: ServerName) -> AsyncIterator[None]:
    await stack.kill(server)
    try:
        yield
    finally:
        await stack.start(server)


@pytest.mark.parametrize(
    ("outage", "dependencies"),
    [
        (openbao_killed, frozenset({Dependency.CIPHER})),
        (audit_device_full, frozenset({Dependency.CIPHER})),
        (postgres_killed, _OF_POSTGRES),
        (postgres_read_only, frozenset({Dependency.REPOSITORY})),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_during_an_outage_intake_pauses_and_deliveries_are_spared(
    stack: EmbeddedStack, tmp_path: Path, outage: Outage, dependencies: frozenset[Dependency]
) -> None:
    pauses, tally = Pauses(), Tally()
    async with real_world(stack, tmp_path) as world:
        await publish_changes(world)
        settings = world.settings(*_SMALL_BATCHES)
        async with (
            open_ingestion(settings, watchers=[pauses, tally]) as ingestion,
            AsyncExitStack() as until_mended,
        ):
            await until_mended.enter_async_context(outage(world))
            async with at_work(ingestion):
                await until(lambda: bool(dependencies & pauses.now), every_seconds=0.02)
                await until_it_lasted(OUTAGE_SECONDS)
                dependency = min(dependencies & pauses.now)
                assert is_paused_metric(ingestion, dependency) == 1
                assert dependency in await ingestion.faults()
                assert await pending(world) >= MESSAGES - IN_HAND_AT_MOST
                assert tally.settled == 0
                await until_mended.aclose()
                await until_resumed(pauses)
                await until_true(lambda: _all_settled(world), seconds=60)
                assert is_paused_metric(ingestion, dependency) == 0
        assert len(await world.texts()) == MESSAGES
        assert await deliveries(world) <= MESSAGES + 3 * IN_HAND_AT_MOST
    assert pauses.ever <= dependencies
    assert tally.rejected == 0


async def test_while_nats_is_away_it_is_paused_and_goes_on_where_it_was(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    pauses, tally = Pauses(), Tally()
    async with real_world(stack, tmp_path) as world:
        await publish_changes(world)
        settings = world.settings(*_SMALL_BATCHES)
        async with (
            open_ingestion(settings, watchers=[pauses, tally]) as ingestion,
            at_work(ingestion),
        ):
            await until_true(lambda: _all_settled(world))
            async with _killed(stack, "nats"):
                await until(lambda: Dependency.SOURCE in pauses.now, every_seconds=0.02)
                assert is_paused_metric(ingestion, Dependency.SOURCE) == 1
                assert Dependency.SOURCE in await ingestion.faults()
            await until_resumed(pauses)
            assert is_paused_metric(ingestion, Dependency.SOURCE) == 0
            await world.publish("one more", at=MORNING + MESSAGES * timedelta(hours=1))
            await until(lambda: tally.stored == MESSAGES + 1)
        assert (await world.texts())[-1] == "one more"
    assert pauses.ever == {Dependency.SOURCE}
    assert tally.stored == MESSAGES + 1
    assert tally.rejected == 0


async def test_a_consumer_that_is_missing_pauses_it_until_somebody_makes_it_again(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    pauses, tally = Pauses(), Tally()
    async with real_world(stack, tmp_path) as world:
        settings = world.settings(*_SMALL_BATCHES, "nats.recreate_consumer=false")
        async with (
            open_ingestion(settings, watchers=[pauses, tally]) as ingestion,
            at_work(ingestion),
        ):
            await world.place.until_waiting()
            await delete_consumer(world.place)
            await publish_changes(world)
            await until(lambda: Dependency.SOURCE in pauses.now, every_seconds=0.02)
            assert is_paused_metric(ingestion, Dependency.SOURCE) == 1
            assert "provision" in (await ingestion.faults())[Dependency.SOURCE]
            await make_consumer(world)
            await until_resumed(pauses)
            await until_true(lambda: _all_settled(world), seconds=60)
            assert is_paused_metric(ingestion, Dependency.SOURCE) == 0
        assert len(await world.texts()) == MESSAGES
        assert await deliveries(world) <= MESSAGES + IN_HAND_AT_MOST
    assert pauses.ever == {Dependency.SOURCE}
    assert tally.rejected == 0


async def test_a_missing_consumer_whose_floor_nobody_can_read_pauses_it_for_the_repository(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    pauses, tally = Pauses(), Tally()
    async with real_world(stack, tmp_path) as world:
        settings = world.settings(*_SMALL_BATCHES)
        async with (
            open_ingestion(settings, watchers=[pauses, tally]) as ingestion,
            at_work(ingestion),
        ):
            await world.place.until_waiting()
            async with postgres_killed(world):
                await delete_consumer(world.place)
                await publish_changes(world)
                await until(lambda: Dependency.REPOSITORY in pauses.now, every_seconds=0.02)
                assert is_paused_metric(ingestion, Dependency.REPOSITORY) == 1
                assert is_paused_metric(ingestion, Dependency.SOURCE) == 0
                assert Dependency.REPOSITORY in await ingestion.faults()
            await until_resumed(pauses)
            # Whoever asks the stream now may be told that there is no such consumer yet.
            await until(lambda: tally.stored == MESSAGES, seconds=60, every_seconds=0.02)
        assert len(await world.texts()) == MESSAGES


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
            at_work(ingestion),
        ):
            await until(lambda: Dependency.DIRECTORY in pauses.now, every_seconds=0.02)
            faults = await ingestion.faults()
            assert "migrate" in faults[Dependency.DIRECTORY]
            await world.postgres.admin.execute(f"GRANT SELECT ON devices TO {role}")
            # What was in hand comes again after half a minute, which nobody need wait for here.
            await until(lambda: tally.stored >= MESSAGES - IN_HAND_AT_MOST, every_seconds=0.02)
        assert len(await world.texts()) + await world.unsettled() == MESSAGES
    assert tally.rejected == 0


async def test_a_certificate_that_expired_pauses_it_until_the_server_shows_a_good_one(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    pauses, tally = Pauses(), Tally()
    authority = Authority(tmp_path / "authority")
    good = authority.issue("127.0.0.1")
    async with real_world(stack, tmp_path) as world:
        database = world.postgres.database
        front = PostgresFront(database.dsn_of(database.ingest_role))
        settings = world.settings(f"postgres.ca_file={authority.ca_file}")
        settings = evolve(settings, postgres=evolve(settings.postgres, dsn=Secret(front.dsn)))
        async with (
            open_ingestion(settings, watchers=[pauses, tally]) as ingestion,
            AsyncExitStack() as server,
        ):
            await server.enter_async_context(front.serving(good))
            async with at_work(ingestion):
                await world.publish("before", at=MORNING)
                await until(lambda: tally.stored == 1, every_seconds=0.02)
                await server.aclose()
                async with front.serving(authority.issue("127.0.0.1", expired=True)):
                    await world.publish("meanwhile", at=MORNING + timedelta(hours=1))
                    await until(lambda: bool(_OF_POSTGRES & pauses.now), every_seconds=0.02)
                    await until_true(lambda: _says(ingestion, "certificate has expired"))
                    assert is_paused_metric(ingestion, min(_OF_POSTGRES & pauses.now)) == 1
                await server.enter_async_context(front.serving(good))
                await until_resumed(pauses)
                await world.publish("after", at=MORNING + timedelta(hours=2))
                await until(lambda: tally.stored >= 2, every_seconds=0.02)
        # What an operator had to mend is given back for half a minute: it may still wait.
        assert len(await world.texts()) + await world.unsettled() == 3
        assert (await world.texts())[-1] == "after"
    assert tally.rejected == 0


async def _says(ingestion: Ingestion, words: str) -> bool:
    faults = await ingestion.faults()
    return any(words in faults.get(dependency, "") for dependency in _OF_POSTGRES)


async def _all_settled(world: RealWorld) -> bool:
    return await world.unsettled() == 0


async def make_consumer(world: RealWorld) -> None:
    place = world.place
    await ensure_consumer(place.client, place.stream, place.durable, place.needs())


async def pending(world: RealWorld) -> int:
    """How many messages were never delivered."""
    return (await world.place.info()).num_pending or 0


async def deliveries(world: RealWorld) -> int:
    """How many there were of this consumer."""
    delivered = (await world.place.info()).delivered
    assert delivered is not None
    return delivered.consumer_seq


async def until_it_lasted(seconds: float) -> None:
    """An outage is what it is for some time: what does not happen meanwhile is seen afterwards."""
    began = monotonic()
    await until(lambda: monotonic() - began > seconds, every_seconds=0.1)


async def until_resumed(pauses: Pauses) -> None:
    """Within seconds of the mend, which is now."""
    await until(lambda: not pauses.now, seconds=RESUMED_WITHIN_SECONDS, every_seconds=0.02)
