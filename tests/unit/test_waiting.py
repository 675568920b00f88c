"""The sweep over what waits: stored when it can be, a person's when its grace is over."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from attrs import evolve, field, frozen

from snapshot_domain.errors import Contended, Dependency, Misconfigured, Refused, Unavailable
from snapshot_domain.events import GraceEnded, WaitingObserved
from snapshot_domain.model import Ciphertext, EncryptedSnapshot
from snapshot_domain.policy import HashPolicy, IngestPolicy, OnRejected
from snapshot_domain.ports import (
    CipherAnswer,
    CipherItem,
    DecryptorItem,
    OwnKey,
    QuarantineReason,
    QuarantineSelection,
    QuarantineState,
    StoreAnswer,
    TenantKey,
)
from snapshot_domain.rejection import quarantine_aad
from snapshot_domain.secret import RawMessage
from snapshot_domain.worker import WorkerLimits
from snapshot_memory import (
    MemoryDecryptor,
    MemoryHashRepository,
    MemoryQuarantineReview,
    MemoryResealer,
    MemoryWaitingMessages,
)
from support.faults import FaultyCipher
from support.memory_world import MemoryWorld
from support.messages import MORNING, device, tenant
from support.waiting import until

GRACE = timedelta(minutes=10)
DISCARD = IngestPolicy(on_rejected=OnRejected.DISCARD)
DOWN = Unavailable(Dependency.CIPHER, "it is down")


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


async def _orphan(world: MemoryWorld, *names: str) -> None:
    """A snapshot of each of these, before anybody registered them."""
    for name in names:
        world.publish(f"text of {name}", of=name)
    await world.ingest()


def _register(world: MemoryWorld, *names: str) -> None:
    for name in names:
        world.directory.register(device(name), tenant("acme"))


def _kept(world: MemoryWorld) -> list[tuple[QuarantineReason, bool]]:
    """Why each kept message is kept, and whether it waits."""
    return [(each.reason, each.waiting) for each in world.quarantine.messages.values()]


async def test_an_orphan_is_stored_at_its_own_time_once_its_device_is_there(
    world: MemoryWorld,
) -> None:
    await _orphan(world, "new")
    sweep = world.sweep()
    await sweep.look()
    assert _kept(world) == [(QuarantineReason.ORPHAN, True)]
    _register(world, "new")
    world.clock.advance(timedelta(minutes=1))
    await sweep.look()
    assert await world.texts("new") == ["text of new"]
    assert world.runs("new") == [(MORNING, MORNING)]
    assert _kept(world) == []


async def test_listeners_are_told_of_what_waited(world: MemoryWorld) -> None:
    await _orphan(world, "new")
    _register(world, "new")
    await world.sweep().look()
    await world.tell_listeners()
    assert [notice.key.device_id for notice in world.listener.notices] == [device("new")]


async def test_a_device_of_another_tenant_is_not_the_one_it_waits_for(world: MemoryWorld) -> None:
    await _orphan(world, "new")
    world.directory.register(device("new"), tenant("zeta"))
    await world.sweep().look()
    assert _kept(world) == [(QuarantineReason.ORPHAN, True)]
    assert await world.texts("new") == []


async def test_a_message_without_a_key_is_stored_once_the_key_encrypts(world: MemoryWorld) -> None:
    world.keyring.delete(TenantKey(tenant("zeta")))
    world.publish("keyless", of="z1", owner="zeta")
    await world.ingest()
    world.clock.advance(30 * GRACE)
    sweep = world.sweep()
    await sweep.look()
    assert _kept(world) == [(QuarantineReason.KEY_MISSING, True)]
    world.keyring.create(TenantKey(tenant("zeta")))
    await sweep.look()
    assert await world.texts("z1") == ["keyless"]
    assert _kept(world) == []


async def test_each_tenants_key_is_tried_once_a_look(world: MemoryWorld) -> None:
    world.keyring.delete(TenantKey(tenant("zeta")))
    for hour in range(3):
        world.publish("keyless", of="z1", owner="zeta", at=MORNING + timedelta(hours=hour))
    await world.ingest()
    asked: list[CipherItem] = []
    cipher = FaultyCipher(world.use_case.cipher, fault_for=asked.append)
    world.with_cipher(cipher)
    await world.sweep().look()
    assert [item.key for item in asked] == [TenantKey(tenant("zeta"))]


async def test_within_its_grace_an_orphan_waits(world: MemoryWorld) -> None:
    await _orphan(world, "new")
    world.clock.advance(GRACE - timedelta(seconds=1))
    await world.sweep().look()
    assert _kept(world) == [(QuarantineReason.ORPHAN, True)]


async def test_when_its_grace_is_over_an_orphan_is_a_persons_and_no_longer_ingestions(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await _orphan(world, "new")
    (waited,) = world.quarantine.messages.values()
    world.clock.advance(GRACE)
    await world.sweep().look()
    (kept,) = world.quarantine.messages.values()
    assert (kept.reason, kept.waiting) == (QuarantineReason.ORPHAN, False)
    assert kept.ciphertext != waited.ciphertext
    aad = quarantine_aad(kept.origin)
    by_ingestion, by_a_person = await MemoryDecryptor(world.keyring).decrypt(
        [DecryptorItem(key, kept.ciphertext, aad) for key in (OwnKey.WAITING, OwnKey.QUARANTINE)]
    )
    assert isinstance(by_ingestion, Refused)
    assert isinstance(by_a_person, RawMessage)
    assert GraceEnded(kept=1, discarded=0) in world.metrics.events
    assert "quarantine replay --reason orphan" in caplog.text


async def test_the_grace_runs_from_the_moment_of_quarantine_whatever_was_redelivered(
    world: MemoryWorld,
) -> None:
    await _orphan(world, "new")
    (first,) = world.quarantine.messages.values()
    world.clock.advance(GRACE)
    await world.quarantine.keep([first])
    await world.sweep().look()
    assert _kept(world) == [(QuarantineReason.ORPHAN, False)]


async def test_after_its_grace_a_device_that_appears_does_not_release_it(
    world: MemoryWorld,
) -> None:
    await _orphan(world, "new")
    world.clock.advance(GRACE)
    sweep = world.sweep()
    await sweep.look()
    _register(world, "new")
    await sweep.look()
    assert _kept(world) == [(QuarantineReason.ORPHAN, False)]


async def test_a_device_that_appeared_while_nobody_looked_is_in_time(world: MemoryWorld) -> None:
    await _orphan(world, "new")
    _register(world, "new")
    world.clock.advance(30 * GRACE)
    await world.sweep().look()
    assert await world.texts("new") == ["text of new"]


async def test_where_policy_discards_an_orphan_is_discarded_when_its_grace_is_over(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.with_policy(DISCARD)
    await _orphan(world, "new")
    world.clock.advance(GRACE)
    await world.sweep().look()
    assert world.quarantine.messages == {}
    (entry,) = world.quarantine.entries.values()
    assert entry.state is QuarantineState.DROPPED
    assert GraceEnded(kept=0, discarded=1) in world.metrics.events
    assert "1 orphans are discarded" in caplog.text


async def test_a_message_without_a_key_is_never_discarded_however_long_it_waits(
    world: MemoryWorld,
) -> None:
    world.with_policy(DISCARD)
    world.keyring.delete(TenantKey(tenant("zeta")))
    world.publish("keyless", of="z1", owner="zeta")
    await world.ingest()
    world.clock.advance(1_000 * GRACE)
    await world.sweep().look()
    assert _kept(world) == [(QuarantineReason.KEY_MISSING, True)]


async def test_what_is_rejected_anew_stays_for_its_new_reason_even_where_policy_discards(
    world: MemoryWorld,
) -> None:
    world.with_policy(DISCARD)
    await _orphan(world, "new")
    _register(world, "new")
    refusal = Refused(Dependency.CIPHER, "odd")
    world.with_cipher(FaultyCipher(world.use_case.cipher, fault_for=lambda _: refusal))
    await world.sweep().look()
    assert _kept(world) == [(QuarantineReason.CIPHER_REFUSED, False)]


async def test_a_waiting_orphan_whose_key_turns_out_to_be_missing_waits_for_that(
    world: MemoryWorld,
) -> None:
    await _orphan(world, "new")
    _register(world, "new")
    world.keyring.delete(TenantKey(tenant("acme")))
    sweep = world.sweep()
    await sweep.look()
    assert _kept(world) == [(QuarantineReason.KEY_MISSING, True)]
    world.keyring.create(TenantKey(tenant("acme")))
    world.clock.advance(timedelta(minutes=1))
    await sweep.look()
    assert await world.texts("new") == ["text of new"]


async def test_a_thousand_orphans_end_as_they_must_and_hold_up_nobody(world: MemoryWorld) -> None:
    names = [f"new{number}" for number in range(1_000)]
    await _orphan(world, *names)
    _register(world, *names[::2])
    world.publish("other", of="r1")
    await world.ingest()
    assert await world.texts("r1") == ["other"]
    sweep = world.sweep()
    await sweep.look()
    stored = [name for name in names if await world.texts(name)]
    assert stored == names[::2]
    assert WaitingObserved(orphans=1_000, keyless=0) in world.metrics.events
    world.clock.advance(GRACE)
    await sweep.look()
    assert _kept(world) == [(QuarantineReason.ORPHAN, False)] * 500


async def test_a_failing_dependency_ends_the_look_and_costs_no_message(world: MemoryWorld) -> None:
    await _orphan(world, "new")
    _register(world, "new")
    working = world.use_case.cipher
    world.with_cipher(FaultyCipher(working, raises=DOWN))
    await world.sweep().look()
    assert _kept(world) == [(QuarantineReason.ORPHAN, True)]
    world.with_cipher(working)
    world.clock.advance(timedelta(minutes=1))
    await world.sweep().look()
    assert await world.texts("new") == ["text of new"]


async def test_two_workers_do_not_try_the_same_messages_at_once(world: MemoryWorld) -> None:
    await _orphan(world, "new1", "new2", "new3")
    _register(world, "new1", "new2", "new3")
    waiting = MemoryWaitingMessages(world.quarantine)
    before = len(world.metrics.events)
    await asyncio.gather(world.sweep(waiting).look(), world.sweep(waiting).look())
    outcomes = [
        message.outcome
        for event in world.metrics.events[before:]
        for message in getattr(event, "messages", ())
    ]
    assert len(outcomes) == 3


@frozen
class Grudging:
    """A resealer that opens nothing."""

    answer: Refused | Misconfigured

    async def reseal(self, items: Sequence[DecryptorItem]) -> Sequence[Refused | Misconfigured]:
        return [self.answer] * len(items)


async def test_an_orphan_that_does_not_open_is_a_persons_as_it_is(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await _orphan(world, "new")
    (before,) = world.quarantine.messages.values()
    world.clock.advance(GRACE)
    refusal = Refused(Dependency.CIPHER, "it does not open")
    await world.sweep(resealer=Grudging(refusal)).look()
    (after,) = world.quarantine.messages.values()
    assert after == evolve(before, waiting=False)
    assert "1 messages that waited do not open" in caplog.text


@frozen
class DroppedMeanwhile:
    """A resealer that opens nothing, and by then a person has dropped it."""

    world: MemoryWorld

    async def reseal(self, items: Sequence[DecryptorItem]) -> Sequence[Refused]:
        review = MemoryQuarantineReview(self.world.quarantine)
        await review.drop(await review.select(QuarantineSelection()))
        return [Refused(Dependency.CIPHER, "it does not open")] * len(items)


async def test_where_nothing_is_left_to_hand_over_nothing_is_told_of(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await _orphan(world, "new")
    world.clock.advance(GRACE)
    await world.sweep(resealer=DroppedMeanwhile(world)).look()
    assert _kept(world) == []
    assert "do not open" not in caplog.text


async def test_a_ready_message_that_does_not_open_is_a_persons_and_told_of_once(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await _orphan(world, "new1", "new2")
    _register(world, "new1", "new2")
    world.keyring.delete(OwnKey.WAITING)
    world.keyring.create(OwnKey.WAITING)
    sweep = world.sweep()
    await sweep.look()
    world.clock.advance(timedelta(minutes=1))
    await sweep.look()
    assert _kept(world) == [(QuarantineReason.ORPHAN, False)] * 2
    assert caplog.text.count("do not open") == 1


async def test_what_an_operator_must_mend_is_said_once_and_nothing_is_lost(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await _orphan(world, "new")
    world.clock.advance(GRACE)
    fault = Misconfigured(Dependency.CIPHER, "the role may not", next_step="grant it decrypt")
    sweep = world.sweep(resealer=Grudging(fault))
    caplog.clear()
    sweeping = asyncio.create_task(sweep.run())
    start = world.clock.monotonic()
    await until(lambda: world.clock.monotonic() > start + 120)
    sweeping.cancel()
    assert caplog.text.count("grant it decrypt") == 1
    assert _kept(world) == [(QuarantineReason.ORPHAN, True)]


async def test_while_intake_pauses_what_waits_goes_on_waiting(world: MemoryWorld) -> None:
    await _orphan(world, "new")
    _register(world, "new")
    intake = world.intake()
    intake.pause(Dependency.REPOSITORY, "down")
    sweeping = asyncio.create_task(world.sweep(intake=intake).run())
    start = world.clock.monotonic()
    await until(lambda: world.clock.monotonic() > start + 60)
    assert _kept(world) == [(QuarantineReason.ORPHAN, True)]
    await intake.until_open()
    await until(lambda: not world.quarantine.messages)
    sweeping.cancel()
    assert await world.texts("new") == ["text of new"]


async def test_nothing_of_what_waits_is_ever_logged(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.publish("canary", of="new1")
    world.publish("canary", of="new2")
    await world.ingest()
    _register(world, "new1")
    world.clock.advance(GRACE)
    await world.sweep().look()
    assert "canary" not in caplog.text
    assert "canary" not in repr(world.metrics.events)
    assert all(isinstance(each.ciphertext, Ciphertext) for each in world.repository.rows.values())


@pytest.mark.parametrize("again", ["sweep", "stream"])
async def test_a_keyless_message_that_turns_out_to_be_an_orphan_is_not_discarded_for_it(
    world: MemoryWorld, again: str
) -> None:
    world.with_policy(DISCARD)
    world.keyring.delete(TenantKey(tenant("zeta")))
    world.publish("keyless", of="z1", owner="zeta")
    (delivery,) = await world.source.fetch(1, 1 << 20)
    await world.use_case.ingest([delivery])
    world.clock.advance(30 * GRACE)
    world.directory.register(device("z1"), tenant("acme"))
    world.keyring.create(TenantKey(tenant("zeta")))
    if again == "stream":
        await world.use_case.ingest([delivery])
    sweep = world.sweep()
    await sweep.look()
    world.clock.advance(timedelta(minutes=1))
    await sweep.look()
    assert [reason for reason, _ in _kept(world)] == [QuarantineReason.ORPHAN]


async def test_a_text_under_a_wrong_digest_is_only_a_persons_to_give_up(
    world: MemoryWorld,
) -> None:
    world.with_policy(IngestPolicy(hash_policy=HashPolicy.ENFORCE))
    world.publish("other", of="r1", sha256_hash="a" * 64)
    (delivery,) = await world.source.fetch(1, 1 << 20)
    await world.use_case.ingest([delivery])
    world.with_policy(IngestPolicy())
    world.directory.remove(device("r1"))
    await world.use_case.ingest([delivery])
    assert _kept(world) == [(QuarantineReason.HASH_MISMATCH, False)]


class OneLocked(MemoryHashRepository):
    """One device is locked by somebody: every batch that it is in fails."""

    async def store(self, batch: Sequence[EncryptedSnapshot]) -> Sequence[StoreAnswer]:
        if any(each.key.device_id == device("locked") for each in batch):
            raise Contended(Dependency.REPOSITORY, "somebody holds it locked")
        return await super().store(batch)


async def test_a_locked_device_does_not_hold_up_the_same_others_for_ever(
    world: MemoryWorld,
) -> None:
    names = [f"new{number}" for number in range(30)]
    await _orphan(world, "locked", *names)
    _register(world, "locked", *names)
    world.with_repository(OneLocked(world.directory))
    sweep = world.sweep(limits=WorkerLimits(batch_messages=5))
    for _ in range(8):
        await sweep.look()
        world.clock.advance(timedelta(minutes=1))
    assert len(_kept(world)) == 1


async def test_pages_are_looked_at_one_after_the_other_and_new_arrivals_end_no_look_late(
    world: MemoryWorld,
) -> None:
    names = [f"new{number}" for number in range(7)]
    await _orphan(world, *names)
    _register(world, *names)
    await world.sweep(page_messages=3).look()
    assert _kept(world) == []


async def test_a_dependency_that_fails_ends_the_look_and_intake_hears_of_it(
    world: MemoryWorld,
) -> None:
    await _orphan(world, "new1", "new2")
    _register(world, "new1", "new2")
    cipher = FaultyCipher(world.use_case.cipher, raises=DOWN)
    world.with_cipher(cipher)
    intake = world.intake()
    await world.sweep(intake=intake, page_messages=1).look()
    assert len(cipher.asked) == 1
    assert set(intake.faults) == {Dependency.CIPHER}


async def test_each_tenants_key_is_tried_once_a_look_also_over_several_pages(
    world: MemoryWorld,
) -> None:
    world.keyring.delete(TenantKey(tenant("zeta")))
    for hour in range(4):
        world.publish("keyless", of="z1", owner="zeta", at=MORNING + timedelta(hours=hour))
    await world.ingest()
    cipher = FaultyCipher(world.use_case.cipher)
    world.with_cipher(cipher)
    await world.sweep(page_messages=1).look()
    assert len(cipher.asked) == 1
    assert WaitingObserved(orphans=0, keyless=4) in world.metrics.events


async def test_no_more_is_in_hand_than_a_batch_may_have(world: MemoryWorld) -> None:
    names = [f"new{number}" for number in range(9)]
    await _orphan(world, *names)
    size_bytes = next(iter(world.quarantine.messages.values())).size_bytes
    resealer = Measuring(MemoryResealer(world.keyring))
    world.clock.advance(GRACE)
    limits = WorkerLimits(batch_messages=4, batch_bytes=3 * size_bytes)
    await world.sweep(resealer=resealer, limits=limits).look()
    assert resealer.batches == [3, 3, 3]
    assert _kept(world) == [(QuarantineReason.ORPHAN, False)] * 9


@frozen
class Measuring:
    """Notes how many it is asked for at once."""

    inner: MemoryResealer
    batches: list[int] = field(factory=list)

    async def reseal(self, items: Sequence[DecryptorItem]) -> Sequence[CipherAnswer]:
        self.batches.append(len(items))
        return await self.inner.reseal(items)


class Odd(MemoryWaitingMessages):
    """Breaks its promise once, and then keeps it."""

    async def counts(self) -> Mapping[QuarantineReason, int]:
        if not ODD_LOOKS:
            ODD_LOOKS.append("broken")
            raise ZeroDivisionError("canary")
        return await super().counts()


ODD_LOOKS: list[str] = []


async def test_a_sweep_outlives_a_fault_that_nobody_foresaw(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await _orphan(world, "new")
    _register(world, "new")
    sweeping = asyncio.create_task(world.sweep(Odd(world.quarantine)).run())
    await until(lambda: not world.quarantine.messages)
    sweeping.cancel()
    assert "unforeseen ZeroDivisionError" in caplog.text
    assert "canary" not in caplog.text


async def test_between_two_looks_are_a_few_seconds(world: MemoryWorld) -> None:
    start, looks = world.clock.monotonic(), 0
    sweeping = asyncio.create_task(world.sweep().run())
    await until(lambda: world.clock.monotonic() >= start + 60)
    sweeping.cancel()
    looks = sum(isinstance(event, WaitingObserved) for event in world.metrics.events)
    assert 11 <= looks <= 14
