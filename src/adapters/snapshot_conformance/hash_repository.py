"""The contract of HashRepository: the rules of the timeline, for any adapter to subclass.

A subclass overrides the fixture `world`, and that is all: what it inherits says what the port
means. The world looks around the adapter at what is really stored, so that the adapter is never
checked by itself alone.
"""

import asyncio
import random
from itertools import pairwise
from uuid import uuid4

import pytest

from snapshot_conformance.late_arrivals import LateArrivalContract
from snapshot_conformance.repository_model import TimelineModelContract
from snapshot_conformance.repository_world import (
    RawRow,
    RawRun,
    RepositoryWorld,
    Story,
    digest_of,
    the_stored,
)
from snapshot_domain.model import SnapshotKey, TenantId
from snapshot_domain.outcome import AlreadyStored, Orphaned, Stored, Unchanged
from snapshot_domain.ports import NeedsCiphertext

__all__ = ["HashRepositoryContract", "RawRow", "RawRun", "RepositoryWorld"]


class HashRepositoryContract(LateArrivalContract, TimelineModelContract):
    """What every HashRepository promises."""

    @pytest.fixture
    async def world(self) -> RepositoryWorld:
        """The adapter under test and what is around it; a subclass overrides this."""
        raise NotImplementedError("a subclass gives the world")

    @pytest.fixture
    async def story(self, world: RepositoryWorld) -> Story:
        """A registered device without a history."""
        return await Story(world).begin()

    async def test_the_first_snapshot_of_a_device_is_stored_as_it_came(self, story: Story) -> None:
        snapshot = story.snapshot("A", 1)
        [answer] = await story.world.repository.store([snapshot])
        stored = the_stored(answer)
        assert (stored.previous_id, stored.next_id) == (None, None)
        [row] = await story.world.rows(story.device)
        assert snapshot.ciphertext is not None
        assert row == RawRow(
            stored.snapshot_id,
            story.device,
            story.tenant,
            snapshot.key.collected_at,
            snapshot.ciphertext.text,
            snapshot.key.digest.hex,
        )
        [run] = await story.runs()
        assert (run.start, run.end) == (story.at(1), story.at(1))

    async def test_the_same_text_again_only_moves_the_end_of_its_run(self, story: Story) -> None:
        await story.stored("A", 1)
        assert await story.tell("A", 2) == Unchanged()
        assert await story.tell("A", 3) == Unchanged()
        [run] = await story.runs()
        assert (run.start, run.end) == (story.at(1), story.at(3))

    async def test_a_change_and_the_return_from_it_are_runs_of_their_own(
        self, story: Story
    ) -> None:
        first, second, third = [
            await story.stored(text, hour) for hour, text in enumerate("ABA", start=1)
        ]
        assert await story.texts("A", "B") == ["A", "B", "A"]
        assert (second.previous_id, third.previous_id) == (first.snapshot_id, second.snapshot_id)
        assert (second.next_id, third.next_id) == (None, None)

    async def test_a_batch_is_decided_in_the_timelines_order_and_answered_in_its_own(
        self, story: Story
    ) -> None:
        told = [("A", 4), ("A", 1), ("B", 3), ("A", 2)]
        answers = await story.world.repository.store(
            [story.snapshot(text, hour) for text, hour in told]
        )
        assert [type(answer) for answer in answers] == [Stored, Stored, Stored, Unchanged]
        assert await story.texts("A", "B") == ["A", "B", "A"]
        last, first, middle = [the_stored(answers[index]) for index in (0, 1, 2)]
        assert middle.previous_id == first.snapshot_id
        assert last.previous_id == middle.snapshot_id
        assert [run.end for run in await story.runs()] == [story.at(h) for h in (2, 3, 4)]

    async def test_a_redelivery_is_answered_as_already_stored(self, story: Story) -> None:
        await story.stored("A", 1)
        await story.stored("B", 2)
        before = await story.runs()
        assert await story.tell("A", 1) == AlreadyStored()
        assert await story.tell("B", 2) == AlreadyStored()
        assert await story.runs() == before

    async def test_a_batch_that_is_stored_again_changes_nothing(self, story: Story) -> None:
        batch = [story.snapshot(text, hour) for hour, text in enumerate("AABBA", start=1)]
        await story.world.repository.store(batch)
        before = await story.runs()
        again = await story.world.repository.store(batch)
        assert [type(answer) for answer in again] == [
            *(AlreadyStored, Unchanged, AlreadyStored, Unchanged, AlreadyStored)
        ]
        assert await story.runs() == before

    async def test_a_redelivery_twice_in_one_batch_is_stored_once(self, story: Story) -> None:
        answers = await story.world.repository.store([story.snapshot("A", 1) for _ in range(3)])
        assert sorted(type(answer).__name__ for answer in answers) == [
            *("AlreadyStored", "AlreadyStored", "Stored")
        ]
        assert len(await story.runs()) == 1

    async def test_the_end_of_a_run_never_goes_back(self, story: Story) -> None:
        await story.stored("A", 1)
        await story.tell("A", 5)
        assert await story.tell("A", 3) == Unchanged()
        assert [run.end for run in await story.runs()] == [story.at(5)]

    async def test_what_looks_unchanged_and_is_needs_no_ciphertext(self, story: Story) -> None:
        await story.stored("A", 1)
        [answer] = await story.world.repository.store([story.snapshot("A", 2, encrypted=False)])
        assert answer == Unchanged()
        assert [run.end for run in await story.runs()] == [story.at(2)]

    @pytest.mark.parametrize("hour", [0, 2, 6])
    async def test_what_looked_unchanged_and_is_not_needs_a_ciphertext_and_nothing_is_done(
        self, story: Story, hour: int
    ) -> None:
        await story.stored("A", 1)
        await story.tell("A", 5)
        before = await story.runs()
        other = await Story(story.world).begin()
        answers = await story.world.repository.store(
            [story.snapshot("B", hour, encrypted=False), other.snapshot("X", 1)]
        )
        assert answers[0] == NeedsCiphertext()
        assert await story.runs() == before
        the_stored(answers[1])
        assert await other.texts("X") == ["X"]

    async def test_the_first_of_a_device_needs_a_ciphertext(self, story: Story) -> None:
        [answer] = await story.world.repository.store([story.snapshot("A", 1, encrypted=False)])
        assert answer == NeedsCiphertext()
        assert await story.runs() == []
        await story.stored("A", 1)

    async def test_a_text_whose_row_was_deleted_is_stored_again(self, story: Story) -> None:
        first = await story.stored("A", 1)
        await story.world.delete_row(first.snapshot_id)
        [answer] = await story.world.repository.store([story.snapshot("A", 2, encrypted=False)])
        assert answer == NeedsCiphertext()
        again = await story.stored("A", 2)
        assert again.previous_id == first.snapshot_id
        assert [row.snapshot_id for row in await story.world.rows(story.device)] == [
            again.snapshot_id
        ]
        assert await story.tell("A", 3) == Unchanged()

    async def test_an_unknown_device_is_an_orphan_and_costs_the_others_nothing(
        self, story: Story
    ) -> None:
        unknown = Story(story.world, story.tenant)
        answers = await story.world.repository.store(
            [unknown.snapshot("A", 1), story.snapshot("A", 1), unknown.snapshot("B", 2)]
        )
        assert [type(answer) for answer in answers] == [Orphaned, Stored, Orphaned]
        assert await unknown.runs() == []

    async def test_a_snapshot_that_names_a_foreign_tenant_is_an_orphan(self, story: Story) -> None:
        other = await Story(story.world).begin()
        foreign = story.snapshot("A", 1)
        story.tenant, owner = other.tenant, story.tenant
        [answer] = await story.world.repository.store([story.snapshot("A", 1)])
        assert answer == Orphaned()
        assert await story.world.rows(story.device) == []
        story.tenant = owner
        [answer] = await story.world.repository.store([foreign])
        the_stored(answer)

    async def test_a_device_that_is_removed_becomes_an_orphan_and_may_come_back(
        self, story: Story
    ) -> None:
        await story.stored("A", 1)
        await story.world.remove(story.device)
        assert await story.tell("A", 2) == Orphaned()
        await story.world.register(story.device, story.tenant)
        await story.stored("A", 3)

    async def test_after_a_move_the_same_text_is_stored_for_the_new_tenant(
        self, story: Story
    ) -> None:
        await story.stored("A", 1)
        former = story.tenant
        story.tenant = TenantId(uuid4())
        await story.world.register(story.device, story.tenant)
        await story.stored("A", 2)
        assert await story.tell("A", 3) == Unchanged()
        assert [run.tenant_id for run in await story.runs()] == [former, story.tenant]
        story.tenant = former
        assert await story.tell("A", 4) == Orphaned()

    async def test_many_devices_of_many_tenants_go_in_one_batch(
        self, world: RepositoryWorld
    ) -> None:
        tenants = [TenantId(uuid4()) for _ in range(3)]
        stories = [await Story(world, tenants[number % 3]).begin() for number in range(12)]
        batch = [story.snapshot(f"T{number}", 1) for number, story in enumerate(stories)]
        answers = await world.repository.store(batch)
        for number, (story, answer) in enumerate(zip(stories, answers, strict=True)):
            [row] = await world.rows(story.device)
            assert row.snapshot_id == the_stored(answer).snapshot_id
            assert (row.tenant_id, row.digest) == (story.tenant, digest_of(f"T{number}").hex)

    async def test_an_empty_batch_is_answered_with_nothing(self, world: RepositoryWorld) -> None:
        assert list(await world.repository.store([])) == []
        assert list(await world.repository.unchanged([])) == []

    async def test_the_hint_tells_what_looks_unchanged(self, story: Story) -> None:
        await story.stored("A", 1)
        await story.stored("B", 3)
        stranger = Story(story.world)
        foreigner = SnapshotKey(story.device, TenantId(uuid4()), *story.at(4), digest_of("B"))
        hints = {
            story.key("B", 4): True,
            story.key("A", 4): False,
            story.key("A", 2): True,
            story.key("B", 2): False,
            story.key("A", 0): False,
            story.key("B", 3): True,
            foreigner: False,
            stranger.key("A", 1): False,
        }
        assert list(await story.world.repository.unchanged(list(hints))) == list(hints.values())

    async def test_a_repository_that_works_passes_its_check(self, world: RepositoryWorld) -> None:
        await world.repository.check()

    @pytest.mark.parametrize("seed", range(5))
    async def test_any_number_of_workers_reach_a_right_timeline(
        self, story: Story, seed: int
    ) -> None:
        """Rule 4: every text is kept, and the newest run's is the newest message's."""
        chance = random.Random(seed)
        told = [(chance.choice("ABC"), hour) for hour in range(24)]
        batch = [story.snapshot(text, hour) for text, hour in told]
        batch += chance.sample(batch, 6)
        chance.shuffle(batch)
        workers = [batch[number::6] for number in range(6)]
        answers = await asyncio.gather(*(story.world.repository.store(part) for part in workers))
        for answer in (each for part in answers for each in part):
            assert isinstance(answer, Stored | Unchanged | AlreadyStored)
        runs = await story.runs()
        texts = await story.texts("A", "B", "C")
        assert texts[-1] == told[-1][0]
        assert set(texts) == {text for text, _ in told}
        assert runs[0].start == story.at(0)
        told_at = {story.at(hour): text for text, hour in told}
        for run, text in zip(runs, texts, strict=True):
            assert told_at[run.start] == told_at[run.end] == text
        for run, following in pairwise(runs):
            assert run.end < following.start
