"""What becomes of a message: the rows of the design's table, on the real servers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from attrs import evolve, frozen

from snapshot_domain.errors import Dependency
from snapshot_domain.model import SnapshotFlag
from snapshot_domain.outcome import (
    AlreadyStored,
    DependencyMisconfigured,
    DependencyUnavailable,
    DigestMismatched,
    ItemRefused,
    Malformed,
    MalformedReason,
    Orphaned,
    Stored,
    TenantKeyMissing,
    Unchanged,
    Unforeseen,
)
from snapshot_domain.ports import QuarantineReason, TenantKey
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import openbao
from snapshot_ingest.settings import Settings
from snapshot_ingest.stack import EmbeddedStack
from snapshot_openbao import Limits, TransitCipher
from support.faults import FaultyDecoder
from support.messages import MORNING, device, tenant
from support.real_world import RealWorld, real_world, use_case_of
from support.waiting import until_true

HOUR = timedelta(hours=1)
_MANY = 60


@frozen
class Kept:
    """What the quarantine says of a message, in short."""

    reason: QuarantineReason
    detail: str
    waiting: bool


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with real_world(stack, tmp_path) as world:
        yield world


async def _kept(world: RealWorld) -> list[Kept]:
    return [Kept(each.reason, each.detail, each.waiting) for each in await world.kept()]


async def test_stored_unchanged_and_stored_again_when_it_changes_back(world: RealWorld) -> None:
    for hours, text in enumerate(["a", "a", "b", "a"]):
        await world.publish(text, at=MORNING + hours * HOUR)
    async with use_case_of(world.settings()) as ingestion:
        first, second, third, fourth = await ingestion.ingest()
    assert isinstance(first, Stored)
    assert second == Unchanged()
    assert isinstance(third, Stored)
    assert isinstance(fourth, Stored)
    assert await world.texts() == ["a", "b", "a"]
    runs = await world.postgres.runs(device("r1"))
    assert [run.end[0] - run.start[0] for run in runs] == [HOUR, 0 * HOUR, 0 * HOUR]
    assert await world.unsettled() == 0


async def test_a_snapshot_whose_acknowledgement_was_lost_is_already_stored(
    world: RealWorld,
) -> None:
    await world.publish("once")
    async with use_case_of(world.settings()) as ingestion:
        deliveries = await ingestion.deliveries()
        await ingestion.use_case.ingest(deliveries)
        assert await ingestion.use_case.ingest(deliveries) == [AlreadyStored()]
    assert await world.texts() == ["once"]


async def test_malformed_ones_are_kept_sealed_each_with_its_reason(world: RealWorld) -> None:
    await world.place.publish(b"[]", b"{", b"\xff")
    await world.publish("text", sha256_hash="short")
    async with use_case_of(world.settings()) as ingestion:
        outcomes = await ingestion.ingest()
    reasons = [
        MalformedReason.NOT_AN_OBJECT,
        MalformedReason.NOT_JSON,
        MalformedReason.NOT_UTF8,
        MalformedReason.DIGEST,
    ]
    assert outcomes == [Malformed(reason) for reason in reasons]
    assert await _kept(world) == [
        Kept(QuarantineReason.MALFORMED, reason.value, waiting=False) for reason in reasons
    ]
    assert await world.unsettled() == 0


async def test_a_foreign_tenants_device_is_an_orphan_and_stays_out_of_both_timelines(
    world: RealWorld,
) -> None:
    await world.publish("stolen", of="r1", owner="zeta")
    async with use_case_of(world.settings()) as ingestion:
        assert await ingestion.ingest() == [Orphaned()]
    assert await world.texts("r1") == []
    assert await _kept(world) == [Kept(QuarantineReason.ORPHAN, "", waiting=True)]


async def test_a_digest_that_differs_is_kept_under_enforce_and_marked_under_audit(
    world: RealWorld,
) -> None:
    wrong = "a" * 64
    async with use_case_of(world.settings("hash_policy=enforce")) as ingestion:
        await world.publish("enforced", sha256_hash=wrong)
        assert await ingestion.ingest() == [DigestMismatched()]
    assert await _kept(world) == [Kept(QuarantineReason.HASH_MISMATCH, "", waiting=False)]
    assert await world.texts() == []
    async with use_case_of(world.settings("hash_policy=audit")) as ingestion:
        await world.publish("audited", sha256_hash=wrong)
        await ingestion.ingest()
    (run,) = await world.postgres.runs(device("r1"))
    assert run.flags == SnapshotFlag.DIGEST_MISMATCH


async def test_what_the_cipher_refuses_is_kept_and_the_rest_of_its_batch_is_stored(
    world: RealWorld,
) -> None:
    settings = world.settings()
    clock = SystemClock()
    async with (
        use_case_of(settings) as ingestion,
        openbao("openbao", settings.openbao, settings, clock) as bao,
    ):
        narrow = TransitCipher(bao, clock, limits=Limits(max_body_bytes=2_000))
        use_case = evolve(ingestion.use_case, cipher=narrow)
        await world.publish("too large " * 400)
        await world.publish("fits", of="r2")
        refused, stored = await use_case.ingest(await ingestion.deliveries())
    assert refused == ItemRefused(Dependency.CIPHER)
    assert isinstance(stored, Stored)
    assert await _kept(world) == [Kept(QuarantineReason.CIPHER_REFUSED, "", waiting=False)]
    assert await world.texts("r2") == ["fits"]
    assert await world.unsettled() == 0


async def test_what_the_repository_refuses_is_kept_and_the_rest_of_its_batch_is_stored(
    world: RealWorld,
) -> None:
    # A constraint of the backend's that one of them breaks.
    await world.postgres.admin.execute(
        "ALTER TABLE router_config_snapshots ADD CHECK (collected_at < '2026-05-01')"
    )
    await world.publish("odd", at=MORNING + timedelta(days=90))
    await world.publish("good", of="r2")
    async with use_case_of(world.settings("max_clock_ahead=365000d")) as ingestion:
        refused, stored = await ingestion.ingest()
    assert refused == ItemRefused(Dependency.REPOSITORY)
    assert isinstance(stored, Stored)
    assert await _kept(world) == [Kept(QuarantineReason.REPOSITORY_REFUSED, "", waiting=False)]


async def test_a_tenant_without_a_key_waits_in_the_quarantine_whatever_the_policy(
    world: RealWorld,
) -> None:
    await world.postgres.register(device("unkeyed"), tenant("unkeyed"))
    await world.publish("waits", of="unkeyed", owner="unkeyed")
    await world.publish("good", of="r2")
    async with use_case_of(world.settings("on_rejected=discard")) as ingestion:
        waiting, stored = await ingestion.ingest()
    assert waiting == TenantKeyMissing()
    assert isinstance(stored, Stored)
    assert await _kept(world) == [Kept(QuarantineReason.KEY_MISSING, "", waiting=True)]
    assert await world.unsettled() == 0
    assert f"tenant_{tenant('unkeyed')}" not in await world.openbao.key_names()


async def test_under_discard_only_a_warning_is_left_of_a_rejected_message(
    world: RealWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await world.place.publish(b"{")
    await world.publish("whose", of="unknown")
    async with use_case_of(world.settings("on_rejected=discard", "orphan_grace=0s")) as ingestion:
        await ingestion.ingest()
    assert await _kept(world) == []
    assert await world.unsettled() == 0
    levels = [each.levelno for each in caplog.records if each.name.startswith("snapshot_")]
    assert levels.count(logging.WARNING) >= 2


async def test_while_the_database_is_down_everything_comes_again_and_then_is_stored_once(
    world: RealWorld, stack: EmbeddedStack
) -> None:
    await world.publish("waits")
    await world.place.publish(b"{")
    async with use_case_of(world.settings()) as ingestion:
        deliveries = await ingestion.deliveries()
        await stack.kill("postgres")
        try:
            outcomes = await ingestion.use_case.ingest(deliveries)
        finally:
            await stack.start("postgres")
        assert [type(outcome) for outcome in outcomes] == [DependencyUnavailable] * 2
        assert await world.unsettled() == 2
        again = [*await ingestion.ingest()]
        while len(again) < len(outcomes):
            again += await ingestion.ingest()
    assert {type(outcome) for outcome in again} == {Stored, Malformed}
    assert await world.texts() == ["waits"]
    assert len(await world.kept()) == 1
    assert await world.unsettled() == 0


def _with_a_wrong_role(settings: Settings) -> Settings:
    return evolve(settings, openbao=evolve(settings.openbao, role_id="no-such-role"))


def _as_a_role_that_may_nothing(settings: Settings) -> Settings:
    return evolve(settings, openbao=evolve(settings.openbao, mount="elsewhere"))


@pytest.mark.parametrize("spoil", [_with_a_wrong_role, _as_a_role_that_may_nothing])
async def test_misconfigured_for_all_nothing_is_discarded_and_it_comes_again_late(
    world: RealWorld,
    spoil: Callable[[Settings], Settings],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await world.publish("waits")
    await world.place.publish(b"{")
    async with use_case_of(spoil(world.settings())) as ingestion:
        outcomes = await ingestion.ingest()
    assert {type(outcome) for outcome in outcomes} == {DependencyMisconfigured}
    assert await _kept(world) == []
    assert await world.texts() == []
    assert await world.unsettled() == 2
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert errors


async def test_hidden_devices_are_misconfiguration_and_no_fleet_of_orphans(
    world: RealWorld,
) -> None:
    await world.postgres.admin.execute("ANALYZE devices")
    await world.postgres.admin.execute(
        "CREATE POLICY closed ON devices AS RESTRICTIVE USING (false)"
    )
    await world.publish("waits")
    async with use_case_of(world.settings()) as ingestion:
        (outcome,) = await ingestion.ingest()
    assert isinstance(outcome, DependencyMisconfigured)
    assert await _kept(world) == []
    assert await world.unsettled() == 1


async def test_anything_unforeseen_comes_again_and_only_its_class_is_told(
    world: RealWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await world.publish("odd")
    await world.publish("good", of="r2")
    async with use_case_of(world.settings()) as ingestion:
        decoder = FaultyDecoder(
            ingestion.use_case.decoder,
            breaks_on=lambda body: b'"odd"' in body.reveal(),
        )
        use_case = evolve(ingestion.use_case, decoder=decoder)
        odd, good = await use_case.ingest(await ingestion.deliveries())
    assert odd == Unforeseen("ZeroDivisionError")
    assert isinstance(good, Stored)
    assert await world.unsettled() == 1
    assert "nobody thought of" not in caplog.text


async def test_a_late_one_splits_the_run_that_it_falls_into(world: RealWorld) -> None:
    for hours in (0, 12):
        await world.publish("a", at=MORNING + hours * HOUR)
    async with use_case_of(world.settings()) as ingestion:
        await ingestion.ingest()
        await world.publish("b", at=MORNING + 6 * HOUR)
        await ingestion.ingest()
    assert await world.texts() == ["a", "b", "a"]
    runs = await world.postgres.runs(device("r1"))
    assert [run.start[0] for run in runs] == [MORNING + hours * HOUR for hours in (0, 6, 12)]


async def test_two_tenants_in_one_batch_each_get_their_own_key_and_rows(world: RealWorld) -> None:
    for number in range(_MANY):
        name, owner = f"d{number}", ("acme", "zeta")[number % 2]
        await world.postgres.register(device(name), tenant(owner))
        await world.publish(f"text {number}", of=name, owner=owner)
    async with use_case_of(world.settings()) as ingestion:
        stored = 0
        while stored < _MANY:
            stored += len(await ingestion.ingest())
    # Decrypted with the key of the tenant that the row names.
    for number in range(_MANY):
        assert await world.texts(f"d{number}") == [f"text {number}"]
        (row,) = await world.postgres.rows(device(f"d{number}"))
        assert row.tenant_id == tenant(("acme", "zeta")[number % 2])


async def test_whoever_decides_second_sees_what_the_first_one_committed(world: RealWorld) -> None:
    await world.publish("a")
    async with use_case_of(world.settings()) as ingestion:
        await ingestion.ingest()
        await world.publish("b", at=MORNING + 2 * HOUR)
        deliveries = await ingestion.deliveries()
        ciphertext = await world.openbao.encrypt(TenantKey(tenant("acme")), b"b")
        async with world.postgres.admin.acquire(timeout=10) as first:
            transaction = first.transaction()
            await transaction.start()
            await first.fetch(
                "SELECT * FROM snapshot_ingest.store_batch(ARRAY[$1::uuid], ARRAY[$2::uuid],"
                " ARRAY[$3::timestamptz], ARRAY[1000::bigint], ARRAY[$4::bytea],"
                " ARRAY[NULL::uuid], ARRAY[NULL::bytea],"
                " ARRAY[$5::text], ARRAY['transit'], ARRAY[1], ARRAY[0::smallint])",
                device("r1"),
                tenant("acme"),
                MORNING + HOUR,
                sha256(b"b").digest(),
                ciphertext.text,
            )
            second = asyncio.create_task(ingestion.use_case.ingest(deliveries))
            await until_true(lambda: _somebody_waits(world))
            await transaction.commit()
        assert await second == [Unchanged()]
    assert await world.texts() == ["a", "b"]


async def _somebody_waits(world: RealWorld) -> bool:
    waiting = await world.postgres.admin.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(waiting)
