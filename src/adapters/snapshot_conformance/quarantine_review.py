"""The contract of QuarantineReview, for any adapter to subclass."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

import pytest
from attrs import asdict, evolve, fields_dict

from snapshot_conformance.quarantine import RECEIVED, rejected
from snapshot_domain.model import Ciphertext, DeviceId, TenantId
from snapshot_domain.ports import (
    Quarantine,
    QuarantinedMessage,
    QuarantineEntry,
    QuarantineId,
    QuarantineReason,
    QuarantineReview,
    QuarantineSelection,
    QuarantineState,
)

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_NEVER_GIVEN = QuarantineId(10**15)


class QuarantineReviewWorld(Protocol):
    """A quarantine, the adapter under test, and a look that goes around both."""

    @property
    def quarantine(self) -> Quarantine:
        """What keeps the messages."""
        ...

    @property
    def review(self) -> QuarantineReview:
        """The adapter under test."""
        ...

    async def ciphertexts(self, stream: str) -> Sequence[Ciphertext]:
        """Every ciphertext of the stream that is still there, whatever became of its message."""
        ...


class Tenancy:
    """The messages of one tenant of a test's own, and the selection that finds them."""

    def __init__(self, world: QuarantineReviewWorld) -> None:
        self.world = world
        self.review = world.review
        self.stream = f"STREAM_{uuid4().hex}"
        self.tenant = TenantId(uuid4())
        self.everything = QuarantineSelection(tenant_id=self.tenant)

    def message(self, sequence: int) -> QuarantinedMessage:
        """A message received so many minutes after the others' beginning."""
        message = rejected(self.stream, sequence)
        return evolve(message, tenant_id=self.tenant, received_at=RECEIVED + sequence * _MINUTE)

    async def keep(self, *sequences: int) -> list[QuarantineId]:
        """Has these messages kept; returns their ids."""
        await self.keep_all([self.message(sequence) for sequence in sequences])
        by_sequence = {each.origin.sequence: each.entry_id for each in await self.kept()}
        return [by_sequence[sequence] for sequence in sequences]

    async def keep_all(self, messages: Sequence[QuarantinedMessage]) -> None:
        """Has these messages kept."""
        await self.world.quarantine.keep(messages)

    async def kept(self) -> Sequence[QuarantineEntry]:
        """What is shown as kept."""
        return await self.review.newest(self.everything, 1_000)

    async def remembered(self, *entry_ids: QuarantineId) -> list[QuarantineId]:
        """Those of them that are still known, whatever became of them."""
        return [entry.entry_id for entry in await self.review.entries(entry_ids)]

    async def entry(self, entry_id: QuarantineId) -> QuarantineEntry:
        """The one with this id."""
        (entry,) = await self.review.entries([entry_id])
        return entry


class QuarantineReviewContract:
    """Subclass it and give it a `world`."""

    @pytest.fixture
    async def world(self) -> QuarantineReviewWorld:
        """The adapter under test and what is around it; a subclass overrides this."""
        raise NotImplementedError("a subclass gives the world")

    @pytest.fixture
    async def ours(self, world: QuarantineReviewWorld) -> Tenancy:
        """The messages of this test."""
        return Tenancy(world)

    async def test_an_entry_says_of_its_message_all_but_the_ciphertext(self, ours: Tenancy) -> None:
        message = ours.message(1)
        await ours.keep_all([message])
        (entry,) = await ours.kept()
        assert entry.state is QuarantineState.KEPT
        shared = fields_dict(QuarantinedMessage).keys() - {"ciphertext"}
        assert {name: getattr(entry, name) for name in shared} == {
            name: getattr(message, name) for name in shared
        }
        assert message.ciphertext.text not in str(asdict(entry))

    async def test_the_newest_come_first_and_no_more_than_asked_for(self, ours: Tenancy) -> None:
        await ours.keep(2, 4)
        await ours.keep(1, 3)
        newest = await ours.review.newest(ours.everything, 3)
        assert [entry.origin.sequence for entry in newest] == [4, 3, 2]

    async def test_all_that_is_selected_comes_the_oldest_first(self, ours: Tenancy) -> None:
        second, third = await ours.keep(2, 3)
        (first,) = await ours.keep(1)
        assert list(await ours.review.select(ours.everything)) == [first, second, third]

    async def test_a_selection_leaves_out_what_differs_in_it(self, ours: Tenancy) -> None:
        device = DeviceId(uuid4())
        orphans = [evolve(ours.message(n), device_id=device) for n in range(1, 6)]
        orphans[1] = evolve(orphans[1], reason=QuarantineReason.MALFORMED)
        orphans[2] = evolve(orphans[2], device_id=None)
        orphans[3] = evolve(orphans[3], tenant_id=None)
        orphans[4] = evolve(orphans[4], waiting=False)
        await ours.keep_all(orphans)
        assert await self._found(ours, ours.everything) == [5, 3, 2, 1]
        of_reason = evolve(ours.everything, reason=QuarantineReason.ORPHAN)
        assert await self._found(ours, of_reason) == [5, 3, 1]
        assert await self._found(ours, evolve(ours.everything, waiting=True)) == [3, 2, 1]
        assert await self._found(ours, evolve(ours.everything, waiting=False)) == [5]
        assert await self._found(ours, QuarantineSelection(device_id=device)) == [5, 4, 2, 1]

    async def _found(self, ours: Tenancy, selection: QuarantineSelection) -> list[int]:
        """The sequences that are found, the newest first."""
        entries = await ours.review.newest(selection, 9)
        selected = await ours.review.select(selection)
        assert [entry.entry_id for entry in entries] == list(selected)[::-1]
        return [entry.origin.sequence for entry in entries]

    async def test_entries_come_in_the_order_asked_for_without_the_unknown(
        self, ours: Tenancy
    ) -> None:
        first, second = await ours.keep(1, 2)
        found = await ours.review.entries([second, _NEVER_GIVEN, first])
        assert [entry.entry_id for entry in found] == [second, first]

    async def test_the_messages_that_are_kept_come_with_their_ciphertexts(
        self, ours: Tenancy
    ) -> None:
        messages = [ours.message(1), ours.message(2)]
        await ours.keep_all(messages)
        dropped, kept = await ours.review.select(ours.everything)
        await ours.review.drop([dropped])
        found = await ours.review.messages([kept, dropped, _NEVER_GIVEN])
        assert dict(found) == {kept: messages[1]}

    async def test_what_was_dropped_is_remembered_and_its_ciphertext_is_gone(
        self, ours: Tenancy
    ) -> None:
        dropped, kept = await ours.keep(1, 2)
        assert await ours.review.drop([dropped]) == {dropped}
        assert [entry.entry_id for entry in await ours.kept()] == [kept]
        assert list(await ours.review.select(ours.everything)) == [kept]
        assert (await ours.entry(dropped)).state is QuarantineState.DROPPED
        assert len(await ours.world.ciphertexts(ours.stream)) == 1

    async def test_what_was_replayed_is_remembered_and_its_ciphertext_is_gone(
        self, ours: Tenancy
    ) -> None:
        replayed, kept = await ours.keep(1, 2)
        await ours.review.mark_replayed([replayed])
        assert [entry.entry_id for entry in await ours.kept()] == [kept]
        assert (await ours.entry(replayed)).state is QuarantineState.REPLAYED
        assert len(await ours.world.ciphertexts(ours.stream)) == 1

    async def test_a_redelivery_brings_nothing_back(self, ours: Tenancy) -> None:
        dropped, replayed = await ours.keep(1, 2)
        await ours.review.drop([dropped])
        await ours.review.mark_replayed([replayed])
        again = [evolve(ours.message(n), detail="another") for n in (1, 2)]
        await ours.keep_all([ours.message(1), ours.message(2)])
        await ours.keep_all(again)
        assert await ours.kept() == []
        assert await ours.world.ciphertexts(ours.stream) == []

    async def test_what_was_decided_once_stays_so(self, ours: Tenancy) -> None:
        dropped, replayed = await ours.keep(1, 2)
        await ours.review.drop([dropped])
        await ours.review.mark_replayed([replayed])
        await ours.review.mark_replayed([dropped])
        assert await ours.review.drop([dropped, replayed, _NEVER_GIVEN]) == set()
        assert (await ours.entry(dropped)).state is QuarantineState.DROPPED
        assert (await ours.entry(replayed)).state is QuarantineState.REPLAYED

    async def test_nothing_to_decide_decides_nothing(self, ours: Tenancy) -> None:
        await ours.keep(1)
        assert await ours.review.drop([]) == set()
        await ours.review.mark_replayed([])
        assert len(await ours.kept()) == 1

    async def test_rejected_again_for_the_same_reason_it_stays_as_it_is(
        self, ours: Tenancy
    ) -> None:
        first = ours.message(1)
        await ours.keep_all([first])
        (entry_id,) = await ours.review.select(ours.everything)
        await ours.keep_all([ours.message(1)])
        assert dict(await ours.review.messages([entry_id])) == {entry_id: first}

    async def test_rejected_for_another_reason_it_keeps_its_id_and_has_that_reason(
        self, ours: Tenancy
    ) -> None:
        (entry_id,) = await ours.keep(1)
        reason, detail = QuarantineReason.MALFORMED, "not_json"
        again = evolve(ours.message(1), reason=reason, detail=detail, waiting=False)
        await ours.keep_all([again])
        assert dict(await ours.review.messages([entry_id])) == {entry_id: again}
        assert await ours.world.ciphertexts(ours.stream) == [again.ciphertext]

    async def test_people_and_workers_may_be_at_the_same_messages_at_once(
        self, ours: Tenancy
    ) -> None:
        sequences = list(range(1, 21))
        ids = await ours.keep(*sequences)
        again = [evolve(ours.message(n), detail="another") for n in sequences[::-1]]
        dropped, others, *_ = await asyncio.gather(
            ours.review.drop(ids[::-1]),
            ours.review.drop(ids),
            ours.review.mark_replayed(ids),
            ours.keep_all(again),
            ours.keep_all(again[::-1]),
        )
        assert not dropped & others
        assert await ours.kept() == []
        assert await ours.world.ciphertexts(ours.stream) == []

    async def test_what_was_decided_is_forgotten_once_the_floor_has_passed_it(
        self, ours: Tenancy
    ) -> None:
        below, at, above = await ours.keep(1, 2, 3)
        await ours.review.drop([below])
        await ours.review.mark_replayed([at, above])
        await ours.review.forget(ours.message(2).origin)
        assert await ours.remembered(below, at, above) == [above]

    async def test_what_is_kept_is_never_forgotten(self, ours: Tenancy) -> None:
        (kept,) = await ours.keep(1)
        floor = evolve(ours.message(1).origin, sequence=9)
        await ours.review.forget(floor)
        await ours.review.forget(evolve(floor, stream_created_at=RECEIVED + _DAY))
        assert [entry.entry_id for entry in await ours.kept()] == [kept]

    async def test_another_streams_floor_forgets_nothing(self, ours: Tenancy) -> None:
        (dropped,) = await ours.keep(1)
        await ours.review.drop([dropped])
        floor = evolve(ours.message(1).origin, sequence=9)
        await ours.review.forget(evolve(floor, stream=f"{ours.stream}_2"))
        former = floor.stream_created_at - _DAY
        await ours.review.forget(evolve(floor, stream_created_at=former))
        assert await ours.remembered(dropped) == [dropped]

    async def test_a_former_stream_is_forgotten_with_the_floor_of_the_next_of_its_name(
        self, ours: Tenancy
    ) -> None:
        # The second was received on the next stream, though under the former creation time.
        before, after = ours.message(7), evolve(ours.message(8), received_at=RECEIVED + _DAY)
        await ours.keep_all([before, after])
        ids = await ours.review.select(ours.everything)
        await ours.review.drop(ids)
        made_again = RECEIVED + _DAY / 2
        await ours.review.forget(evolve(before.origin, stream_created_at=made_again, sequence=0))
        assert await ours.remembered(*ids) == list(ids)[1:]

    async def test_a_number_is_never_used_again(self, ours: Tenancy) -> None:
        (dropped,) = await ours.keep(1)
        await ours.review.drop([dropped])
        await ours.review.forget(ours.message(1).origin)
        assert await ours.keep(2) > [dropped]

    async def test_it_says_that_it_works(self, world: QuarantineReviewWorld) -> None:
        await world.review.check()
