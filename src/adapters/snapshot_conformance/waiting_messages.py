"""The contract of WaitingMessages, for any adapter to subclass."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

import pytest
from attrs import evolve

from snapshot_conformance.quarantine_review import QuarantineReviewWorld, Tenancy
from snapshot_domain.model import Ciphertext
from snapshot_domain.ports import (
    QuarantineId,
    QuarantineReason,
    QuarantineState,
    Resealed,
    WaitingMessage,
    WaitingMessages,
)

_MINUTE = timedelta(minutes=1)
_NEVER_GIVEN = QuarantineId(10**15)


class WaitingMessagesWorld(QuarantineReviewWorld, Protocol):
    """A quarantine, the adapter under test, and the time that goes by for both."""

    @property
    def waiting(self) -> WaitingMessages:
        """The adapter under test."""
        ...

    async def pass_time(self, by: timedelta) -> None:
        """Lets so much time go by for everything that is kept."""
        ...


class WaitingRoom(Tenancy):
    """The messages of one test, and how it resolves and looks at them."""

    def __init__(self, world: WaitingMessagesWorld) -> None:
        super().__init__(world)
        self.waiting = world.waiting
        self.pass_time = world.pass_time

    async def page(self, after: int = 0, limit: int = 10_000) -> list[WaitingMessage]:
        """Of the page, what is this test's own."""
        page = await self.waiting.page(QuarantineId(after), limit)
        return [each for each in page if each.tenant_id == self.tenant]

    async def waits(self) -> list[QuarantineId]:
        """Who waits of this test's own."""
        return [each.entry_id for each in await self.page()]

    async def resealed(self, *entry_ids: QuarantineId) -> list[Resealed]:
        """A new ciphertext for each of them."""
        messages = await self.review.messages(entry_ids)
        return [
            Resealed(each, messages[each].ciphertext, Ciphertext(f"si1q:anew|{each}"))
            for each in entry_ids
        ]


class WaitingMessagesContract:
    """Subclass it and give it a `world`."""

    @pytest.fixture
    async def world(self) -> WaitingMessagesWorld:
        """The adapter under test and what is around it; a subclass overrides this."""
        raise NotImplementedError("a subclass gives the world")

    @pytest.fixture
    async def ours(self, world: WaitingMessagesWorld) -> WaitingRoom:
        """The messages of this test."""
        return WaitingRoom(world)

    async def test_it_says_who_waits_for_what(self, ours: WaitingRoom) -> None:
        message = ours.message(1)
        await ours.keep_all([message])
        (found,) = await ours.page()
        assert (found.reason, found.device_id, found.tenant_id, found.size_bytes) == (
            message.reason,
            message.device_id,
            message.tenant_id,
            message.size_bytes,
        )

    async def test_the_wait_runs_from_the_moment_of_quarantine(self, ours: WaitingRoom) -> None:
        await ours.keep(1)
        await ours.pass_time(3 * _MINUTE)
        await ours.keep(2)
        first, second = await ours.page()
        assert 3 * _MINUTE <= first.waited < 4 * _MINUTE
        assert second.waited < _MINUTE

    async def test_neither_a_redelivery_nor_a_new_reason_begins_the_wait_anew(
        self, ours: WaitingRoom
    ) -> None:
        await ours.keep(1, 2)
        await ours.pass_time(3 * _MINUTE)
        await ours.keep_all([ours.message(1)])
        await ours.keep_all([evolve(ours.message(2), reason=QuarantineReason.KEY_MISSING)])
        assert [each.waited >= 3 * _MINUTE for each in await ours.page()] == [True, True]

    async def test_pages_follow_one_another_until_nobody_is_left(self, ours: WaitingRoom) -> None:
        ids = await ours.keep(3, 1, 2)
        found: list[QuarantineId] = []
        after = QuarantineId(0)
        while page := await ours.waiting.page(after, 2):
            assert len(page) <= 2
            after = page[-1].entry_id
            found += [each.entry_id for each in page if each.tenant_id == ours.tenant]
        assert found == sorted(ids)

    async def test_what_does_not_wait_is_not_among_them(self, ours: WaitingRoom) -> None:
        waits, dropped, replayed = await ours.keep(1, 2, 3)
        await ours.keep_all([evolve(ours.message(4), waiting=False)])
        await ours.review.drop([dropped])
        await ours.review.mark_replayed([replayed])
        assert await ours.waits() == [waits]

    async def test_a_claim_is_one_workers_until_it_ends(self, ours: WaitingRoom) -> None:
        first, second = await ours.keep(1, 2)
        assert await ours.waiting.claim([first], _MINUTE) == {first}
        assert await ours.waiting.claim([first, second, _NEVER_GIVEN], _MINUTE) == {second}
        await ours.pass_time(2 * _MINUTE)
        assert await ours.waiting.claim([first, second], _MINUTE) == {first, second}

    async def test_what_is_claimed_still_counts_as_waiting(self, ours: WaitingRoom) -> None:
        ids = await ours.keep(1, 2)
        await ours.waiting.claim(ids, _MINUTE)
        assert await ours.waits() == ids

    async def test_of_many_who_claim_at_once_each_message_is_ones(self, ours: WaitingRoom) -> None:
        ids = await ours.keep(*range(1, 21))
        claims = await asyncio.gather(
            *(ours.waiting.claim(order, _MINUTE) for order in (ids, ids[::-1], ids, ids[::-1]))
        )
        claimed = [each for claim in claims for each in claim]
        assert len(claimed) == len(set(claimed))

    async def test_what_is_a_persons_waits_no_more_and_has_its_new_ciphertext(
        self, ours: WaitingRoom
    ) -> None:
        over, waits = await ours.keep(1, 2)
        resealed = await ours.resealed(over)
        assert await ours.waiting.keep_for_a_person(resealed) == {over}
        assert await ours.waits() == [waits]
        kept = (await ours.review.messages([over]))[over]
        assert (kept.waiting, kept.ciphertext) == (False, resealed[0].ciphertext)
        assert kept.reason is QuarantineReason.ORPHAN
        assert resealed[0].former not in await ours.world.ciphertexts(ours.stream)

    async def test_a_ciphertext_that_changed_meanwhile_is_not_replaced(
        self, ours: WaitingRoom
    ) -> None:
        (entry_id,) = await ours.keep(1)
        resealed = await ours.resealed(entry_id)
        again = evolve(ours.message(1), reason=QuarantineReason.KEY_MISSING)
        await ours.keep_all([again])
        assert await ours.waiting.keep_for_a_person(resealed) == set()
        assert (await ours.review.messages([entry_id]))[entry_id] == again

    async def test_what_was_settled_meanwhile_does_not_come_back(self, ours: WaitingRoom) -> None:
        ids = await ours.keep(1, 2)
        resealed = await ours.resealed(*ids)
        await ours.review.mark_replayed([ids[0]])
        await ours.review.drop([ids[1]])
        assert await ours.waiting.keep_for_a_person(resealed) == set()
        assert await ours.waiting.discard_orphans(ids) == set()
        assert await ours.world.ciphertexts(ours.stream) == []

    async def test_discarded_orphans_are_remembered_without_their_ciphertexts(
        self, ours: WaitingRoom
    ) -> None:
        discarded, waits = await ours.keep(1, 2)
        assert await ours.waiting.discard_orphans([discarded, _NEVER_GIVEN]) == {discarded}
        assert await ours.waits() == [waits]
        assert (await ours.entry(discarded)).state is QuarantineState.DROPPED
        assert len(await ours.world.ciphertexts(ours.stream)) == 1
        await ours.keep_all([ours.message(1)])
        assert await ours.waits() == [waits]

    async def test_only_orphans_that_wait_are_ever_discarded(self, ours: WaitingRoom) -> None:
        keyless = evolve(ours.message(1), reason=QuarantineReason.KEY_MISSING)
        a_persons = evolve(ours.message(2), waiting=False)
        await ours.keep_all([keyless, a_persons])
        ids = await ours.review.select(ours.everything)
        assert await ours.waiting.discard_orphans(ids) == set()
        assert len(await ours.kept()) == 2

    async def test_workers_and_people_may_be_at_the_same_messages_at_once(
        self, ours: WaitingRoom
    ) -> None:
        sequences = list(range(1, 21))
        ids = await ours.keep(*sequences)
        resealed = await ours.resealed(*ids)
        decided: Sequence[object] = await asyncio.gather(
            ours.waiting.keep_for_a_person(resealed[::-1]),
            ours.waiting.discard_orphans(ids),
            ours.review.drop(ids[::-1]),
            ours.keep_all([evolve(ours.message(n), detail="another") for n in sequences[::-1]]),
            ours.waiting.claim(ids[::-1], _MINUTE),
        )
        assert len(decided) == 5
        assert await ours.kept() == []

    async def test_it_says_how_many_wait_for_what(self, ours: WaitingRoom) -> None:
        before = await ours.waiting.counts()
        keyless = evolve(ours.message(3), reason=QuarantineReason.KEY_MISSING)
        await ours.keep_all([keyless, evolve(ours.message(4), waiting=False)])
        dropped, *_ = await ours.keep(1, 2)
        await ours.review.drop([dropped])
        after = await ours.waiting.counts()
        for reason in (QuarantineReason.ORPHAN, QuarantineReason.KEY_MISSING):
            assert after[reason] == before.get(reason, 0) + 1

    async def test_what_does_not_wait_is_neither_claimed_nor_a_persons_anew(
        self, ours: WaitingRoom
    ) -> None:
        await ours.keep_all([evolve(ours.message(1), waiting=False)])
        (a_persons,) = await ours.review.select(ours.everything)
        assert await ours.waiting.claim([a_persons], _MINUTE) == set()
        assert await ours.waiting.keep_for_a_person(await ours.resealed(a_persons)) == set()
        assert (await ours.review.messages([a_persons]))[a_persons].ciphertext != (
            Ciphertext(f"si1q:anew|{a_persons}")
        )

    async def test_what_does_not_open_is_handed_over_as_it_is(self, ours: WaitingRoom) -> None:
        (entry_id,) = await ours.keep(1)
        before = (await ours.review.messages([entry_id]))[entry_id]
        as_it_is = Resealed(entry_id, before.ciphertext, before.ciphertext)
        assert await ours.waiting.keep_for_a_person([as_it_is]) == {entry_id}
        after = (await ours.review.messages([entry_id]))[entry_id]
        assert after == evolve(before, waiting=False)

    async def test_the_wait_of_what_was_kept_for_another_reason_begins_when_it_is_an_orphan(
        self, ours: WaitingRoom
    ) -> None:
        await ours.keep_all([evolve(ours.message(1), reason=QuarantineReason.KEY_MISSING)])
        await ours.pass_time(30 * _MINUTE)
        await ours.keep_all([ours.message(1)])
        (orphan,) = await ours.page()
        assert orphan.reason is QuarantineReason.ORPHAN
        assert orphan.waited < _MINUTE

    @pytest.mark.parametrize("later", list(QuarantineReason))
    async def test_a_message_kept_for_its_digest_never_waits_for_anything(
        self, ours: WaitingRoom, later: QuarantineReason
    ) -> None:
        reason = QuarantineReason.HASH_MISMATCH
        kept = evolve(ours.message(1), reason=reason, waiting=False)
        await ours.keep_all([kept])
        await ours.keep_all([evolve(ours.message(1), reason=later, detail="later")])
        (entry_id,) = await ours.review.select(ours.everything)
        assert (await ours.review.messages([entry_id]))[entry_id] == kept
