"""What becomes of a message: a test for each row of the design's table."""

import logging
from datetime import timedelta

import pytest
from attrs import evolve

from snapshot_domain.delivery import Ack, Discard, Retry
from snapshot_domain.errors import Dependency, KeyMissing, Misconfigured, Refused, Unavailable
from snapshot_domain.model import Digest, EncryptedSnapshot, SnapshotFlag, configuration_aad
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
from snapshot_domain.policy import HashPolicy, IngestPolicy, OnRejected
from snapshot_domain.ports import CipherItem, NeedsCiphertext, OwnKey, QuarantineReason, TenantKey
from snapshot_domain.secret import RawMessage
from snapshot_memory import MemoryCipher, MemoryQuarantineCipher, MemorySnapshotDecoder
from support.faults import (
    FailingListener,
    FaultyCipher,
    FaultyDecoder,
    FaultyQuarantine,
    FaultyRepository,
)
from support.memory_world import MemoryWorld
from support.messages import MORNING, device, tenant

HOUR = timedelta(hours=1)
DISCARD = IngestPolicy(on_rejected=OnRejected.DISCARD)
CIPHER_DOWN = Unavailable(Dependency.CIPHER, "no answer within 5 s")
DATABASE_DOWN = Unavailable(Dependency.REPOSITORY, "the connection was refused")


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


async def test_the_first_snapshot_of_a_device_is_stored_and_acknowledged(
    world: MemoryWorld,
) -> None:
    world.publish("first")
    (outcome,) = await world.ingest()
    assert isinstance(outcome, Stored)
    assert outcome.previous_id is None
    assert await world.texts() == ["first"]
    assert world.settlements() == [Ack()]


async def test_a_changed_snapshot_is_stored_after_the_one_before(world: MemoryWorld) -> None:
    world.publish("one")
    world.publish("two", at=MORNING + HOUR)
    first, second = await world.ingest()
    assert isinstance(first, Stored)
    assert isinstance(second, Stored)
    assert second.previous_id == first.snapshot_id
    assert await world.texts() == ["one", "two"]


async def test_an_unchanged_snapshot_moves_last_seen_and_is_not_encrypted(
    world: MemoryWorld,
) -> None:
    world.publish("same")
    await world.ingest()
    cipher = FaultyCipher(world.use_case.cipher)
    world.with_cipher(cipher)
    world.publish("same", at=MORNING + HOUR)
    assert await world.ingest() == [Unchanged()]
    assert world.runs() == [(MORNING, MORNING + HOUR)]
    assert cipher.asked == []
    assert world.settlements() == [Ack(), Ack()]


async def test_a_redelivery_of_a_stored_snapshot_is_already_stored(world: MemoryWorld) -> None:
    world.publish("once")
    deliveries = await world.source.fetch(10, 10_000)
    await world.use_case.ingest(deliveries)
    assert await world.use_case.ingest(deliveries) == [AlreadyStored()]
    assert len(world.repository.rows) == 1
    assert world.settlements() == [Ack(), Ack()]


async def test_a_malformed_message_is_quarantined_and_then_discarded(world: MemoryWorld) -> None:
    world.source.publish("config.snapshot.create.x", RawMessage(b"{not json, canary"))
    assert await world.ingest() == [Malformed(MalformedReason.NOT_JSON)]
    (kept,) = world.quarantine.messages.values()
    assert (kept.reason, kept.detail) == (QuarantineReason.MALFORMED, "not_json")
    assert "canary" not in kept.ciphertext.text
    assert world.settlements() == [Discard()]


async def test_a_snapshot_of_an_unknown_device_is_an_orphan(world: MemoryWorld) -> None:
    world.publish("lost", of="unknown")
    assert await world.ingest() == [Orphaned()]
    (kept,) = world.quarantine.messages.values()
    assert (kept.reason, kept.device_id) == (QuarantineReason.ORPHAN, device("unknown"))
    assert world.settlements() == [Discard()]


async def test_a_snapshot_that_names_a_foreign_tenant_never_reaches_the_cipher(
    world: MemoryWorld,
) -> None:
    cipher = FaultyCipher(world.use_case.cipher)
    world.with_cipher(cipher)
    world.publish("stolen", of="r1", owner="zeta")
    assert await world.ingest() == [Orphaned()]
    assert cipher.asked == []
    assert world.repository.rows == {}


async def test_a_wrong_digest_is_trusted_by_default(world: MemoryWorld) -> None:
    world.publish("text", sha256_hash="a" * 64)
    (outcome,) = await world.ingest()
    assert isinstance(outcome, Stored)


async def test_a_text_is_bound_to_its_tenant_device_and_the_poller_s_digest(
    world: MemoryWorld,
) -> None:
    cipher = FaultyCipher(world.use_case.cipher)
    world.with_cipher(cipher)
    world.publish("text", sha256_hash="a" * 64)
    await world.ingest()
    (item,) = cipher.asked
    assert item.aad == configuration_aad(tenant("acme"), device("r1"), Digest("a" * 64))


async def test_a_wrong_digest_is_stored_and_counted_when_audited(world: MemoryWorld) -> None:
    world.with_policy(IngestPolicy(hash_policy=HashPolicy.AUDIT))
    world.publish("text", sha256_hash="a" * 64)
    world.publish("text", of="r2")
    await world.ingest()
    (wrong,) = world.repository.timelines[device("r1")]
    (right,) = world.repository.timelines[device("r2")]
    assert wrong.flags == SnapshotFlag.DIGEST_MISMATCH
    assert right.flags == SnapshotFlag.NONE


async def test_a_wrong_digest_is_quarantined_when_enforced(world: MemoryWorld) -> None:
    world.with_policy(IngestPolicy(hash_policy=HashPolicy.ENFORCE))
    world.publish("text", sha256_hash="a" * 64)
    assert await world.ingest() == [DigestMismatched()]
    (kept,) = world.quarantine.messages.values()
    assert kept.reason is QuarantineReason.HASH_MISMATCH
    assert world.repository.rows == {}
    assert world.settlements() == [Discard()]


async def test_what_the_cipher_refuses_is_quarantined(world: MemoryWorld) -> None:
    refusal = Refused(Dependency.CIPHER, "too large")
    world.with_cipher(FaultyCipher(world.use_case.cipher, fault_for=lambda _: refusal))
    world.publish("odd")
    assert await world.ingest() == [ItemRefused(Dependency.CIPHER)]
    (kept,) = world.quarantine.messages.values()
    assert kept.reason is QuarantineReason.CIPHER_REFUSED
    assert world.settlements() == [Discard()]


async def test_what_the_repository_refuses_is_quarantined(world: MemoryWorld) -> None:
    refusal = ItemRefused(Dependency.REPOSITORY)
    world.with_repository(FaultyRepository(world.repository, refuses=lambda _: refusal))
    world.publish("odd")
    assert await world.ingest() == [refusal]
    (kept,) = world.quarantine.messages.values()
    assert kept.reason is QuarantineReason.REPOSITORY_REFUSED
    assert world.settlements() == [Discard()]


@pytest.mark.parametrize("returned", [True, False], ids=["returned", "raised"])
async def test_while_the_cipher_is_unavailable_nothing_is_stored_and_it_comes_again(
    world: MemoryWorld, *, returned: bool
) -> None:
    world.with_cipher(
        FaultyCipher(world.use_case.cipher, fault_for=lambda _: CIPHER_DOWN)
        if returned
        else FaultyCipher(world.use_case.cipher, raises=CIPHER_DOWN)
    )
    world.publish("waits")
    assert await world.ingest() == [DependencyUnavailable(Dependency.CIPHER)]
    assert world.repository.rows == {}
    assert world.quarantine.messages == {}
    (settlement,) = world.settlements()
    assert isinstance(settlement, Retry)
    assert timedelta(0) < settlement.after <= timedelta(seconds=30)


async def test_while_the_database_is_unavailable_it_comes_again(world: MemoryWorld) -> None:
    world.with_repository(FaultyRepository(world.repository, raises_before=DATABASE_DOWN))
    world.publish("waits")
    assert await world.ingest() == [DependencyUnavailable(Dependency.REPOSITORY)]
    assert isinstance(world.settlements()[0], Retry)


async def test_after_a_lost_commit_answer_it_comes_again_and_is_already_stored(
    world: MemoryWorld,
) -> None:
    repository = FaultyRepository(world.repository, raises_after=DATABASE_DOWN)
    world.with_repository(repository)
    world.publish("once")
    assert await world.ingest() == [DependencyUnavailable(Dependency.REPOSITORY)]
    repository.raises_after = None
    world.clock.advance(HOUR)
    assert await world.ingest() == [AlreadyStored()]
    assert len(world.repository.rows) == 1


async def test_delays_grow_with_the_attempts_up_to_half_a_minute(world: MemoryWorld) -> None:
    world.with_cipher(FaultyCipher(world.use_case.cipher, raises=CIPHER_DOWN))
    world.publish("waits")
    for _ in range(12):
        await world.ingest()
        world.clock.advance(HOUR)
    delays = [each.after for each in world.settlements() if isinstance(each, Retry)]
    assert len(delays) == 12
    assert delays[0] <= timedelta(seconds=1)
    assert delays[4] > delays[1]
    assert all(timedelta(seconds=15) <= delay <= timedelta(seconds=30) for delay in delays[6:])


@pytest.mark.parametrize("policy", [IngestPolicy(), DISCARD], ids=["quarantine", "discard"])
async def test_without_its_tenant_s_key_a_message_waits_in_the_quarantine(
    world: MemoryWorld, policy: IngestPolicy
) -> None:
    world.with_policy(policy)
    world.keyring.delete(TenantKey(tenant("zeta")))
    world.publish("keyless", of="z1", owner="zeta")
    world.publish("fine")
    keyless, fine = await world.ingest()
    assert keyless == TenantKeyMissing()
    assert isinstance(fine, Stored)
    (kept,) = world.quarantine.messages.values()
    assert (kept.reason, kept.waiting) == (QuarantineReason.KEY_MISSING, True)
    assert world.settlements() == [Discard(), Ack()]


async def test_a_missing_key_is_an_error_in_the_log_once_a_tenant(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.keyring.delete(TenantKey(tenant("zeta")))
    for hour in range(3):
        world.publish("keyless", of="z1", owner="zeta", at=MORNING + hour * HOUR)
        await world.ingest()
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert str(tenant("zeta")) in errors[0].getMessage()


async def test_what_was_stored_is_one_line_a_batch_and_each_device_one_for_debugging(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.publish("one", of="r1")
    world.publish("other", of="r2")
    world.publish("other", of="r2", at=MORNING + HOUR)
    await world.ingest()
    by_level: dict[int, list[str]] = {logging.INFO: [], logging.DEBUG: []}
    for record in caplog.records:
        by_level[record.levelno].append(record.getMessage())
    assert by_level[logging.INFO] == ["2 stored, 1 unchanged"]
    assert [line.split(":")[0] for line in by_level[logging.DEBUG]] == [
        "stored",
        "stored",
        "unchanged",
    ]


async def test_a_batch_that_changed_nothing_is_silent_unless_one_debugs(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.publish("same")
    await world.ingest()
    caplog.set_level(logging.INFO)
    world.publish("same", at=MORNING + HOUR)
    await world.ingest()
    assert caplog.records == []


async def test_when_misconfigured_for_all_it_comes_again_late_and_the_log_says_what_to_do(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    fault = Misconfigured(Dependency.CIPHER, "the role was refused", next_step="grant it update")
    world.with_cipher(FaultyCipher(world.use_case.cipher, raises=fault))
    world.publish("waits")
    (outcome,) = await world.ingest()
    assert isinstance(outcome, DependencyMisconfigured)
    assert world.settlements() == [Retry(timedelta(seconds=30))]
    assert "grant it update" in caplog.text


async def test_anything_unforeseen_comes_again_and_only_its_class_is_told(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.with_cipher(FaultyCipher(world.use_case.cipher, raises=ValueError("canary")))
    world.publish("waits")
    assert await world.ingest() == [Unforeseen("ValueError")]
    assert isinstance(world.settlements()[0], Retry)
    assert "ValueError" in caplog.text
    assert "canary" not in caplog.text


async def test_a_decoder_that_breaks_its_promise_costs_only_its_own_message(
    world: MemoryWorld,
) -> None:
    decoder = FaultyDecoder(MemorySnapshotDecoder(), lambda body: b"odd" in body.reveal())
    world.use_case = evolve(world.use_case, decoder=decoder)
    world.publish("odd")
    world.publish("fine", of="r2")
    odd, fine = await world.ingest()
    assert odd == Unforeseen("ZeroDivisionError")
    assert isinstance(fine, Stored)


async def test_one_message_s_fault_never_costs_another_its_place(world: MemoryWorld) -> None:
    refusal = Refused(Dependency.CIPHER, "odd")

    def refuse(item: CipherItem) -> Refused | None:
        return refusal if b"refused" in item.plaintext.reveal() else None

    world.with_cipher(FaultyCipher(world.use_case.cipher, fault_for=refuse))
    world.source.publish("s", RawMessage(b"[]"))
    world.publish("orphan", of="unknown")
    world.publish("refused", of="r1")
    world.publish("good", of="r2")
    malformed, orphan, refused, good = await world.ingest()
    assert malformed == Malformed(MalformedReason.NOT_AN_OBJECT)
    assert orphan == Orphaned()
    assert refused == ItemRefused(Dependency.CIPHER)
    assert isinstance(good, Stored)
    assert await world.texts("r2") == ["good"]
    assert world.settlements() == [Discard(), Discard(), Discard(), Ack()]


async def test_rejected_messages_are_only_counted_where_policy_says_discard(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.with_policy(evolve(DISCARD, orphan_grace=timedelta(0)))
    world.source.publish("s", RawMessage(b"[]"))
    world.publish("lost", of="unknown")
    await world.ingest()
    assert world.quarantine.messages == {}
    assert world.settlements() == [Discard(), Discard()]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


@pytest.mark.parametrize("policy", [IngestPolicy(), DISCARD], ids=["quarantine", "discard"])
async def test_an_orphan_waits_in_the_quarantine_for_its_device_whatever_policy_says(
    world: MemoryWorld, policy: IngestPolicy
) -> None:
    world.with_policy(policy)
    world.publish("early", of="unknown")
    assert await world.ingest() == [Orphaned()]
    (kept,) = world.quarantine.messages.values()
    assert (kept.reason, kept.waiting) == (QuarantineReason.ORPHAN, True)
    assert world.settlements() == [Discard()]


async def test_without_a_grace_an_orphan_is_a_persons_at_once(world: MemoryWorld) -> None:
    world.with_policy(IngestPolicy(orphan_grace=timedelta(0)))
    world.publish("early", of="unknown")
    await world.ingest()
    (kept,) = world.quarantine.messages.values()
    assert (kept.reason, kept.waiting) == (QuarantineReason.ORPHAN, False)


async def test_while_the_quarantine_is_unavailable_a_rejected_message_stays_on_the_stream(
    world: MemoryWorld,
) -> None:
    down = Unavailable(Dependency.QUARANTINE, "the connection was refused")
    quarantine = FaultyQuarantine(world.quarantine, lambda _: down)
    rejection = evolve(world.use_case.rejection, quarantine=quarantine)
    world.use_case = evolve(world.use_case, rejection=rejection)
    world.publish("lost", of="unknown")
    world.publish("fine")
    lost, fine = await world.ingest()
    assert lost == DependencyUnavailable(Dependency.QUARANTINE)
    assert isinstance(fine, Stored)
    assert isinstance(world.settlements()[0], Retry)
    assert world.settlements()[1] == Ack()


async def test_one_message_that_the_quarantine_refuses_costs_no_other_its_place(
    world: MemoryWorld,
) -> None:
    refusal = Refused(Dependency.QUARANTINE, "odd")
    quarantine = FaultyQuarantine(
        world.quarantine,
        lambda kept: refusal if any(each.subject == "odd" for each in kept) else None,
    )
    rejection = evolve(world.use_case.rejection, quarantine=quarantine)
    world.use_case = evolve(world.use_case, rejection=rejection)
    world.source.publish("odd", RawMessage(b"[]"))
    world.source.publish("even", RawMessage(b"[]"))
    odd, even = await world.ingest()
    assert isinstance(odd, DependencyMisconfigured)
    assert isinstance(even, Malformed)
    assert [kept.subject for kept in world.quarantine.messages.values()] == ["even"]


@pytest.mark.parametrize(
    "fault",
    [
        Refused(Dependency.CIPHER, "odd"),
        KeyMissing(Dependency.CIPHER, "no such key"),
        Unavailable(Dependency.CIPHER, "down"),
        ValueError("canary"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_whatever_the_quarantine_s_cipher_raises_nothing_is_discarded(
    world: MemoryWorld, fault: Exception
) -> None:
    cipher = FaultyCipher(MemoryQuarantineCipher(world.keyring), raises=fault)
    world.use_case = evolve(
        world.use_case, rejection=evolve(world.use_case.rejection, cipher=cipher)
    )
    world.source.publish("s", RawMessage(b"[]"))
    world.publish("lost", of="unknown")
    await world.ingest()
    assert all(isinstance(settlement, Retry) for settlement in world.settlements())
    assert len(world.settlements()) == 2


async def test_without_the_quarantine_s_key_nothing_is_discarded(world: MemoryWorld) -> None:
    world.keyring.delete(OwnKey.QUARANTINE)
    world.source.publish("s", RawMessage(b"[]"))
    (outcome,) = await world.ingest()
    assert isinstance(outcome, DependencyMisconfigured)
    assert isinstance(world.settlements()[0], Retry)


async def test_a_hint_that_no_longer_holds_is_encrypted_and_stored_after_all(
    world: MemoryWorld,
) -> None:
    repository = FaultyRepository(world.repository, hint=True)
    world.with_repository(repository)
    world.publish("new")
    world.publish("newer", of="r2")
    outcomes = await world.ingest()
    assert all(isinstance(outcome, Stored) for outcome in outcomes)
    assert [len(stored) for stored in repository.stores] == [2, 2]
    assert await world.texts("r2") == ["newer"]


async def test_only_the_stale_hints_of_a_batch_are_stored_again(world: MemoryWorld) -> None:
    world.publish("same")
    await world.ingest()
    repository = FaultyRepository(world.repository, hint=True)
    world.with_repository(repository)
    world.publish("same", at=MORNING + HOUR)
    world.publish("new", of="r2")
    outcomes = await world.ingest()
    assert outcomes[0] == Unchanged()
    assert isinstance(outcomes[1], Stored)
    again: list[EncryptedSnapshot] = list(repository.stores[1])
    assert [item.key.device_id for item in again] == [device("r2")]


async def test_a_repository_that_answers_nothing_useful_costs_no_message(
    world: MemoryWorld,
) -> None:
    world.with_repository(FaultyRepository(world.repository, refuses=lambda _: NeedsCiphertext()))
    world.publish("waits")
    assert await world.ingest() == [Unforeseen("NothingDecided")]
    assert isinstance(world.settlements()[0], Retry)


async def test_listeners_are_told_after_commit_of_what_was_stored(world: MemoryWorld) -> None:
    world.publish("one")
    world.publish("one", at=MORNING + HOUR)
    world.publish("two", at=MORNING + 2 * HOUR)
    stored = [each for each in await world.ingest() if isinstance(each, Stored)]
    assert [notice.snapshot_id for notice in world.listener.notices] == [
        outcome.snapshot_id for outcome in stored
    ]
    assert world.listener.notices[1].previous_id == stored[0].snapshot_id


async def test_of_what_is_stored_at_once_listeners_are_told_the_earlier_first(
    world: MemoryWorld,
) -> None:
    for hour in (3, 1, 2):
        world.publish(f"text {hour}", at=MORNING + hour * HOUR)
    await world.ingest()
    times = [notice.key.collected_at for notice in world.listener.notices]
    assert times == sorted(times)


async def test_a_failing_listener_holds_back_no_acknowledgement(world: MemoryWorld) -> None:
    listening = world.listening_of(FailingListener(), world.listener)
    world.use_case = evolve(world.use_case, listening=listening)
    world.publish("one")
    await world.use_case.ingest(await world.source.fetch(1, 1 << 30))
    assert world.settlements() == [Ack()]


async def test_a_time_far_ahead_of_the_stream_s_is_replaced_by_the_time_of_receipt(
    world: MemoryWorld,
) -> None:
    received = world.clock.now()
    world.publish("future", at=received + timedelta(minutes=11))
    world.publish("near", of="r2", at=received + timedelta(minutes=9))
    await world.ingest()
    assert world.runs("r1") == [(received, received)]
    assert world.repository.timelines[device("r1")][0].flags == SnapshotFlag.RECEIVED_TIME
    assert world.runs("r2")[0][0] == received + timedelta(minutes=9)


@pytest.mark.parametrize("collected_at", [None, "yesterday", "2026-13-45T00:00:00Z", ""])
async def test_an_absent_or_unreadable_time_is_replaced_by_the_time_of_receipt(
    world: MemoryWorld, collected_at: str | None
) -> None:
    received = world.clock.now()
    world.publish("timeless", collected_at=collected_at)
    world.clock.advance(HOUR)
    await world.ingest()
    assert world.runs() == [(received, received)]


async def test_the_events_tell_what_was_handled_without_content(world: MemoryWorld) -> None:
    world.publish("canary")
    world.publish("canary", of="unknown")
    await world.ingest()
    assert "canary" not in repr(world.metrics.events)
    assert world.metrics.outcomes() == [
        Stored(next(iter(world.repository.rows))),
        Orphaned(),
    ]


async def test_the_walk_needs_no_cipher_for_a_batch_that_repeats_itself(
    world: MemoryWorld,
) -> None:
    cipher = FaultyCipher(MemoryCipher(world.keyring))
    world.with_cipher(cipher)
    for hour in range(4):
        world.publish("same", at=MORNING + hour * HOUR)
    await world.ingest()
    assert len(cipher.asked) == 1
    assert world.runs() == [(MORNING, MORNING + 3 * HOUR)]
