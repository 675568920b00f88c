"""Replay: the use case over the quarantine, on fakes."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import timedelta

import pytest
from attrs import define, evolve, field

from snapshot_domain.delivery import Ack, Discard, Retry
from snapshot_domain.errors import Dependency, Misconfigured, Unavailable
from snapshot_domain.extension import Extension
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.model import Ciphertext
from snapshot_domain.outcome import (
    AlreadyStored,
    DependencyUnavailable,
    DigestMismatched,
    Orphaned,
    Stored,
)
from snapshot_domain.policy import HashPolicy, IngestPolicy, OnRejected
from snapshot_domain.ports import (
    DecryptorItem,
    MessageSource,
    OwnKey,
    QuarantineEntry,
    QuarantineId,
    QuarantineReason,
    QuarantineSelection,
    QuarantineState,
    TenantKey,
)
from snapshot_domain.ports.decryptor import DecryptorAnswer
from snapshot_domain.replay import DependencyFailed, ReplaySource, replay
from snapshot_domain.secret import RawMessage
from snapshot_memory import MemoryDecryptor, MemoryQuarantineReview
from support.faults import FaultyCipher, FaultySource, Gate
from support.memory_world import MemoryWorld
from support.messages import MORNING, device, message, subject_of, tenant

HOUR = timedelta(hours=1)
EVERYTHING = QuarantineSelection()
DOWN = Unavailable(Dependency.CIPHER, "it is down")


@define
class FaultyDecryptor:
    """Answers every item with the fault, if there is one."""

    inner: MemoryDecryptor
    fault: Unavailable | Misconfigured | None = None

    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        if self.fault is not None:
            return [self.fault] * len(items)
        return await self.inner.decrypt(items)


@define
class ReplayWorld:
    """A world in memory, and a person who may decrypt its quarantine."""

    world: MemoryWorld = field(factory=MemoryWorld)
    review: MemoryQuarantineReview = field(init=False)
    decryptor: FaultyDecryptor = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.review = MemoryQuarantineReview(self.world.quarantine)
        self.decryptor = FaultyDecryptor(MemoryDecryptor(self.world.keyring))

    async def orphan(self, *texts: str, of: str = "new") -> None:
        """Ingests snapshots, an hour apart, of a device that nobody registered yet."""
        for hours, text in enumerate(texts):
            self.world.publish(text, of=of, at=MORNING + hours * HOUR)
        outcomes = await self.world.ingest()
        assert list(outcomes) == [Orphaned()] * len(texts)

    def register(self, of: str = "new") -> None:
        """Registers the device."""
        self.world.directory.register(device(of), tenant("acme"))

    async def source(self) -> ReplaySource:
        """Everything that is kept now."""
        return ReplaySource(self.review, self.decryptor, await self.review.select(EVERYTHING))

    def use_case(self, source: MessageSource) -> IngestSnapshot:
        """The world's use case, with another source."""
        extension = Extension(source, self.world.clock)
        return evolve(self.world.use_case, source=source, extension=extension)

    async def replay(self, batch_messages: int = 100) -> DependencyFailed | None:
        """Replays everything."""
        return await replay(self.use_case(await self.source()), batch_messages, 1 << 20)

    async def kept(self) -> Sequence[QuarantineEntry]:
        """What is kept, the newest first."""
        return await self.review.newest(EVERYTHING, 100)

    async def reasons(self) -> list[QuarantineReason]:
        """Why."""
        return [entry.reason for entry in await self.kept()]


@pytest.fixture
def ours() -> ReplayWorld:
    return ReplayWorld()


async def test_an_orphan_is_stored_at_its_time_once_its_device_is_registered(
    ours: ReplayWorld,
) -> None:
    await ours.orphan("A")
    ours.register()
    ours.world.clock.advance(5 * HOUR)
    assert await ours.replay() is None
    assert await ours.world.texts("new") == ["A"]
    assert ours.world.runs("new") == [(MORNING, MORNING)]
    assert await ours.kept() == []


async def test_one_without_a_time_of_its_own_has_the_time_at_which_its_stream_received_it(
    ours: ReplayWorld,
) -> None:
    ours.world.clock.advance(HOUR)
    received = ours.world.clock.now()
    ours.world.publish("A", of="new", at=None)
    await ours.world.ingest()
    ours.register()
    ours.world.clock.advance(5 * HOUR)
    await ours.replay()
    assert ours.world.runs("new") == [(received, received)]


async def test_it_takes_its_place_among_what_was_stored_meanwhile(ours: ReplayWorld) -> None:
    await ours.orphan("A", "B")
    ours.register()
    ours.world.publish("C", of="new", at=MORNING + 2 * HOUR)
    await ours.world.ingest()
    await ours.replay()
    assert await ours.world.texts("new") == ["A", "B", "C"]
    await ours.world.tell_listeners()
    assert ours.world.listener.notices[-1].next_id is not None


async def test_deliveries_come_in_the_order_of_time_as_they_were_the_first_time(
    ours: ReplayWorld,
) -> None:
    for _ in range(3):
        await ours.orphan("A")
        ours.world.clock.advance(HOUR)
    deliveries = await (await ours.source()).fetch(100, 1 << 20)
    kept = list(ours.world.quarantine.messages.values())
    assert [each.origin for each in deliveries] == [each.origin for each in kept]
    assert [each.received_at for each in deliveries] == sorted(each.received_at for each in kept)
    assert [each.subject for each in deliveries] == [subject_of(device("new"))] * 3
    assert [each.attempt for each in deliveries] == [1, 1, 1]
    body = message(device("new"), tenant("acme"), "A")
    assert {each.body.reveal() for each in deliveries} == {body.reveal()}


async def test_what_is_rejected_again_stays_as_it_is(ours: ReplayWorld) -> None:
    await ours.orphan("A", "B")
    before = dict(ours.world.quarantine.messages)
    assert await ours.replay() is None
    assert ours.world.quarantine.messages == before


async def test_what_is_rejected_for_another_reason_stays_and_says_so(ours: ReplayWorld) -> None:
    ours.world.source.publish("odd", RawMessage(b"[]"))
    ours.world.publish("A", of="new")
    await ours.world.ingest()
    ours.register()
    ours.world.keyring.delete(TenantKey(tenant("acme")))
    await ours.replay()
    assert sorted(await ours.reasons()) == [
        QuarantineReason.KEY_MISSING,
        QuarantineReason.MALFORMED,
    ]
    ours.world.keyring.create(TenantKey(tenant("acme")))
    await ours.replay()
    assert await ours.reasons() == [QuarantineReason.MALFORMED]
    assert await ours.world.texts("new") == ["A"]


async def test_what_is_rejected_again_stays_also_where_policy_is_to_discard(
    ours: ReplayWorld,
) -> None:
    await ours.orphan("A")
    ours.world.with_policy(IngestPolicy(on_rejected=OnRejected.DISCARD))
    await ours.replay()
    assert await ours.reasons() == [QuarantineReason.ORPHAN]


async def test_what_was_replayed_does_not_come_back_from_the_stream(ours: ReplayWorld) -> None:
    ours.world.publish("A", of="new")
    deliveries = await ours.world.source.fetch(10, 1 << 20)
    await ours.world.use_case.ingest(deliveries)
    ours.register()
    await ours.replay()
    ours.world.directory.remove(device("new"))
    assert list(await ours.world.use_case.ingest(deliveries)) == [Orphaned()]
    assert await ours.kept() == []
    assert await ours.world.texts("new") == ["A"]


async def test_while_a_dependency_fails_everything_stays_and_the_replay_ends_early(
    ours: ReplayWorld,
) -> None:
    await ours.orphan("A", "B", "C")
    ours.register()
    cipher = FaultyCipher(ours.world.use_case.cipher, fault_for=lambda _: DOWN)
    ours.world.with_cipher(cipher)
    assert await ours.replay(batch_messages=1) == DependencyUnavailable(Dependency.CIPHER)
    assert len(cipher.asked) == 1
    assert len(await ours.kept()) == 3
    ours.world.with_cipher(cipher.inner)
    assert await ours.replay(batch_messages=1) is None
    assert await ours.world.texts("new") == ["A", "B", "C"]


async def test_one_that_meets_a_fault_of_its_own_stays_and_the_others_are_stored(
    ours: ReplayWorld,
) -> None:
    await ours.orphan("A", "B")
    ours.register()
    encrypt, asked = ours.world.use_case.cipher, 0

    def only_the_first(_: object) -> Unavailable | None:
        nonlocal asked
        asked += 1
        return DOWN if asked == 1 else None

    ours.world.with_cipher(FaultyCipher(encrypt, fault_for=only_the_first))
    assert await ours.replay() == DependencyUnavailable(Dependency.CIPHER)
    assert await ours.world.texts("new") == ["B"]
    (left,) = await ours.kept()
    assert left.origin.sequence == 1


@pytest.mark.parametrize("fault", [DOWN, Misconfigured(Dependency.CIPHER, "it is forbidden")])
async def test_while_nothing_can_be_opened_fetching_fails_and_goes_on_afterwards(
    ours: ReplayWorld, fault: Unavailable | Misconfigured
) -> None:
    await ours.orphan("A", "B")
    source = await ours.source()
    ours.decryptor.fault = fault
    with pytest.raises(type(fault)):
        await source.fetch(10, 1 << 20)
    assert (await source.backlog()).pending == 2
    ours.decryptor.fault = None
    assert len(await source.fetch(10, 1 << 20)) == 2
    assert source.unopened == []


async def test_one_that_does_not_open_is_passed_over_and_counted(ours: ReplayWorld) -> None:
    await ours.orphan("A", "B", "C")
    ours.register()
    messages = ours.world.quarantine.messages
    key, second = list(messages.items())[1]
    messages[key] = evolve(second, ciphertext=Ciphertext("si1q:AAAA" + "A" * 100))
    source = await ours.source()
    assert await replay(ours.use_case(source), 1, 1 << 20) is None
    assert await ours.world.texts("new") == ["A", "C"]
    assert [entry.entry_id for entry in await ours.kept()] == list(source.unopened)
    assert [entry.origin for entry in await ours.kept()] == [second.origin]


async def test_one_that_was_dropped_after_it_was_chosen_is_passed_over(ours: ReplayWorld) -> None:
    await ours.orphan("A", "B")
    ours.register()
    source = await ours.source()
    first, _ = await ours.review.select(EVERYTHING)
    await ours.review.drop([first])
    await replay(ours.use_case(source), 1, 1 << 20)
    assert await ours.world.texts("new") == ["B"]
    (entry,) = await ours.review.entries([first])
    assert entry.state is QuarantineState.DROPPED


async def test_a_batch_has_its_bounds_and_a_larger_message_comes_alone(ours: ReplayWorld) -> None:
    await ours.orphan("A" * 1_000, "B" * 5_000, "C" * 1_000, "D" * 1_000, "E" * 1_000)
    source = await ours.source()
    sequences = []
    while deliveries := await source.fetch(2, 4_000):
        sequences.append([each.origin.sequence for each in deliveries])
    assert sequences == [[1], [2], [3, 4], [5]]


async def test_the_backlog_is_what_was_not_delivered_and_what_is_not_settled(
    ours: ReplayWorld,
) -> None:
    await ours.orphan("A", "B", "C")
    source = await ours.source()
    first, second = await source.fetch(2, 1 << 20)
    backlog = await source.backlog()
    assert (backlog.pending, backlog.unsettled, backlog.redelivered) == (1, 2, 0)
    await source.settle([(first, Ack()), (second, Retry(HOUR))])
    await source.settle([(each, Discard()) for each in await source.fetch(2, 1 << 20)])
    assert (await source.backlog()).is_empty
    assert len(await ours.kept()) == 2


async def test_nothing_chosen_is_nothing_delivered(ours: ReplayWorld) -> None:
    source = ReplaySource(ours.review, ours.decryptor, [QuarantineId(404)])
    assert await source.fetch(10, 1 << 20) == []
    assert (await source.backlog()).is_empty
    assert await ours.replay() is None


async def test_one_whose_mark_was_lost_is_replayed_again_and_stored_once(
    ours: ReplayWorld,
) -> None:
    await ours.orphan("A")
    ours.register()
    faulty = FaultySource(await ours.source(), settle_faults=[DOWN])
    await replay(ours.use_case(faulty), 10, 1 << 20)
    assert len(await ours.kept()) == 1
    again = await ours.source()
    outcomes = await ours.use_case(again).ingest(await again.fetch(10, 1 << 20))
    assert list(outcomes) == [AlreadyStored()]
    assert await ours.world.texts("new") == ["A"]
    assert await ours.kept() == []


async def test_a_replay_that_is_cancelled_keeps_what_it_has_in_hand(ours: ReplayWorld) -> None:
    await ours.orphan("A")
    ours.register()
    gate = Gate()
    ours.world.with_cipher(FaultyCipher(ours.world.use_case.cipher, gate=gate))
    replaying = asyncio.create_task(ours.replay())
    await asyncio.wait_for(gate.reached.wait(), 10)
    replaying.cancel()
    await asyncio.wait([replaying], timeout=10)
    assert replaying.cancelled()
    assert len(await ours.kept()) == 1
    assert await ours.world.texts("new") == []


async def test_what_waits_is_opened_with_its_own_key(ours: ReplayWorld) -> None:
    ours.world.keyring.delete(TenantKey(tenant("acme")))
    ours.world.publish("A")
    await ours.world.ingest()
    ours.world.keyring.create(TenantKey(tenant("acme")))
    ours.world.keyring.delete(OwnKey.QUARANTINE)
    source = await ours.source()
    (outcome,) = await ours.use_case(source).ingest(await source.fetch(10, 1 << 20))
    assert isinstance(outcome, Stored)


async def test_one_whose_digest_is_not_that_of_its_text_stays_for_a_person_to_give_up(
    ours: ReplayWorld,
) -> None:
    known = hashlib.sha256(b"A").hexdigest()
    ours.world.publish("A")
    await ours.world.ingest()
    ours.world.with_policy(IngestPolicy(hash_policy=HashPolicy.ENFORCE))
    ours.world.publish("B", at=MORNING + HOUR, sha256_hash=known)
    assert list(await ours.world.ingest()) == [DigestMismatched()]
    ours.world.with_policy(IngestPolicy())
    assert await ours.replay() is None
    assert await ours.world.texts() == ["A"]
    [entry] = await ours.kept()
    assert entry.reason is QuarantineReason.HASH_MISMATCH


async def test_one_kept_for_its_digest_stays_although_its_key_was_missing_in_between(
    ours: ReplayWorld,
) -> None:
    known = hashlib.sha256(b"A").hexdigest()
    ours.world.with_policy(IngestPolicy(hash_policy=HashPolicy.ENFORCE))
    ours.world.publish("A")
    ours.world.publish("C", at=MORNING + HOUR)
    ours.world.publish("B", at=MORNING + 3 * HOUR, sha256_hash=known)
    await ours.world.ingest()
    ours.world.with_policy(IngestPolicy())
    ours.world.keyring.delete(TenantKey(tenant("acme")))
    await ours.replay()
    ours.world.keyring.create(TenantKey(tenant("acme")))
    ours.world.publish("A", at=MORNING + 2 * HOUR)
    await ours.world.ingest()
    await ours.world.sweep().look()
    assert await ours.reasons() == [QuarantineReason.HASH_MISMATCH]
    assert len(await ours.review.messages(await ours.review.select(EVERYTHING))) == 1
