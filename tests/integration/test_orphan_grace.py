"""What waits in the quarantine, on the real servers: stored without a person, or a person's."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from snapshot_domain.ports import DecryptorItem, OwnKey, QuarantineReason
from snapshot_domain.rejection import quarantine_aad
from snapshot_domain.secret import RawMessage
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import openbao
from snapshot_ingest.ingestion import Ingestion, open_ingestion
from snapshot_ingest.settings import Settings
from snapshot_ingest.stack import EmbeddedStack
from snapshot_openbao import TransitDecryptor
from support.at_work import at_work
from support.messages import MORNING, device, tenant
from support.openbao import RawOpenBao
from support.real_world import RealWorld, real_world
from support.waiting import until_true

_A_THOUSAND = 1_000


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with real_world(stack, tmp_path) as world:
        yield world


@asynccontextmanager
async def _running(settings: Settings) -> AsyncIterator[Ingestion]:
    async with open_ingestion(settings) as ingestion, at_work(ingestion):
        yield ingestion


def _worker(world: RealWorld, *overrides: str) -> AbstractAsyncContextManager[Ingestion]:
    """A worker of this world while the block runs."""
    return _running(world.settings(*overrides))


async def _waits(world: RealWorld) -> list[tuple[QuarantineReason, bool]]:
    return [(each.reason, each.waiting) for each in await world.kept()]


async def _until_stored(world: RealWorld, of: str, texts: Sequence[str]) -> None:
    async def is_stored() -> bool:
        return await world.texts(of) == list(texts)

    await until_true(is_stored)


async def _until_kept(world: RealWorld, *waits: tuple[QuarantineReason, bool]) -> None:
    async def is_kept() -> bool:
        return await _waits(world) == list(waits)

    await until_true(is_kept)


async def test_a_device_that_appears_within_the_grace_costs_no_snapshot(world: RealWorld) -> None:
    await world.publish("first", of="late", at=MORNING)
    await world.publish("second", of="late", at=MORNING + timedelta(hours=6))
    async with _worker(world):
        await _until_kept(world, *[(QuarantineReason.ORPHAN, True)] * 2)
        await world.register("late", "acme")
        await _until_stored(world, "late", ["first", "second"])
        await _until_kept(world)
    runs = await world.postgres.runs(device("late"))
    assert [run.start[0] for run in runs] == [MORNING, MORNING + timedelta(hours=6)]


async def test_after_the_grace_an_orphan_is_a_persons_and_ingestion_cannot_open_it_any_more(
    world: RealWorld, stack: EmbeddedStack
) -> None:
    await world.publish("text", of="never")
    async with _worker(world, "orphan_grace=1s"):
        await _until_kept(world, (QuarantineReason.ORPHAN, False))
    (kept,) = await world.kept()
    settings = world.settings()
    items = [
        DecryptorItem(key, kept.ciphertext, quarantine_aad(kept.origin))
        for key in (OwnKey.WAITING, OwnKey.QUARANTINE)
    ]
    async with openbao("openbao", settings.openbao, settings, SystemClock()) as ingest:
        answers = await TransitDecryptor(ingest).decrypt(items)
    assert not any(isinstance(answer, RawMessage) for answer in answers)
    async with RawOpenBao.of(stack) as raw:
        opened = await raw.open_body(OwnKey.QUARANTINE, kept.ciphertext, items[1].aad)
    assert b'"text"' in opened


async def test_under_discard_an_orphan_waits_out_its_grace_and_is_then_dropped(
    world: RealWorld,
) -> None:
    await world.publish("text", of="never")
    async with _worker(world, "on_rejected=discard", "orphan_grace=1s") as ingestion:

        async def is_given_up() -> bool:
            ended = "snapshot_ingest_orphan_grace_ended_total"
            return ingestion.registry.get_sample_value(ended, {"end": "discarded"}) == 1

        await until_true(is_given_up)
    assert await world.kept() == []


async def test_what_waits_for_its_key_is_stored_once_the_key_answers(world: RealWorld) -> None:
    await world.postgres.register(device("k1"), tenant("keyless"))
    await world.publish("text", of="k1", owner="keyless")
    async with _worker(world, "on_rejected=discard"):
        await _until_kept(world, (QuarantineReason.KEY_MISSING, True))
    await world.register("k1", "keyless")
    async with _worker(world):
        await _until_stored(world, "k1", ["text"])
        await _until_kept(world)


async def test_a_thousand_orphans_hold_up_nobody_and_end_as_they_must(world: RealWorld) -> None:
    names = [f"late{number}" for number in range(_A_THOUSAND)]
    for name in names:
        await world.publish("text", of=name)
    async with _worker(world, "orphan_grace=30m"):

        async def all_wait() -> bool:
            return len(await world.kept()) == _A_THOUSAND

        await until_true(all_wait)
        await world.publish("other")
        await _until_stored(world, "r1", ["other"])
        for name in names[::2]:
            await world.postgres.register(device(name), tenant("acme"))

        async def half_are_stored() -> bool:
            return len(await world.kept()) == _A_THOUSAND // 2

        await until_true(half_are_stored)
    async with _worker(world, "orphan_grace=0s"):

        async def nobody_waits() -> bool:
            return not any(each.waiting for each in await world.kept())

        await until_true(nobody_waits)
    stored = await world.postgres.admin.fetchval("SELECT count(*) FROM snapshot_ingest.heads")
    assert (stored, len(await world.kept())) == (_A_THOUSAND // 2 + 1, _A_THOUSAND // 2)


async def test_what_a_person_dropped_is_forgotten_once_the_ack_floor_has_passed_it(
    world: RealWorld,
) -> None:
    await world.place.publish(b"{")
    async with _worker(world):
        await _until_kept(world, (QuarantineReason.MALFORMED, False))
    review = world.postgres.review
    (entry_id,) = [
        row["id"]
        for row in await world.postgres.admin.fetch("SELECT id FROM snapshot_ingest.quarantine")
    ]
    await review.drop([entry_id])
    async with _worker(world):

        async def is_forgotten() -> bool:
            await world.publish("text")
            return not await review.entries([entry_id])

        await until_true(is_forgotten)
