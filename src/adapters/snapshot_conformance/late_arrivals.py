"""The contract of HashRepository for snapshots that arrive late: rule 3 of the timeline."""

from uuid import uuid4

from snapshot_conformance.repository_world import Story
from snapshot_domain.model import SnapshotFlag, TenantId
from snapshot_domain.outcome import AlreadyStored, Unchanged


class LateArrivalContract:
    """Part of HashRepositoryContract, which is the class to subclass."""

    async def test_at_one_time_the_sequence_decides(self, story: Story) -> None:
        await story.stored("B", 1, sequence=20)
        first = await story.stored("A", 1, sequence=10)
        assert await story.texts("A", "B") == ["A", "B"]
        assert first.next_id is not None
        assert await story.tell("B", 1, sequence=30) == Unchanged()
        assert [run.end for run in await story.runs()] == [story.at(1, 10), story.at(1, 30)]

    async def test_two_texts_with_one_time_and_sequence_are_both_kept(self, story: Story) -> None:
        await story.stored("A", 1)
        await story.stored("B", 1)
        assert sorted(await story.texts("A", "B")) == ["A", "B"]
        assert await story.tell("A", 1) == AlreadyStored()
        assert await story.tell("B", 1) == AlreadyStored()

    async def test_a_late_snapshot_takes_its_place_in_the_middle(self, story: Story) -> None:
        first = await story.stored("A", 1)
        third = await story.stored("C", 3)
        second = await story.stored("B", 2)
        assert await story.texts("A", "B", "C") == ["A", "B", "C"]
        assert (second.previous_id, second.next_id) == (first.snapshot_id, third.snapshot_id)
        assert await story.tell("C", 4) == Unchanged()

    async def test_a_late_snapshot_takes_its_place_at_the_beginning(self, story: Story) -> None:
        second = await story.stored("B", 2)
        first = await story.stored("A", 1)
        assert await story.texts("A", "B") == ["A", "B"]
        assert (first.previous_id, first.next_id) == (None, second.snapshot_id)

    async def test_a_late_snapshot_of_the_runs_own_text_splits_nothing(self, story: Story) -> None:
        await story.stored("A", 1)
        await story.tell("A", 5)
        assert await story.tell("A", 3) == Unchanged()
        assert len(await story.runs()) == 1

    async def test_a_late_snapshot_of_the_next_runs_text_is_stored_beside_it(
        self, story: Story
    ) -> None:
        await story.stored("A", 1)
        await story.stored("B", 3)
        await story.stored("B", 2)
        assert await story.texts("A", "B") == ["A", "B", "B"]

    async def test_a_late_snapshot_inside_a_run_splits_it(self, story: Story) -> None:
        first = await story.stored("A", 1)
        await story.tell("A", 3)
        await story.tell("A", 5, sequence=77)
        late = await story.stored("B", 2)
        assert await story.texts("A", "B") == ["A", "B", "A"]
        before, middle, after = await story.runs()
        assert (before.start, before.end) == (story.at(1), story.at(1))
        assert (middle.start, middle.end) == (story.at(2), story.at(2))
        assert (after.start, after.end) == (story.at(5, 77), story.at(5, 77))
        assert [run.flags for run in (before, middle, after)] == [
            *(SnapshotFlag.NONE, SnapshotFlag.NONE, SnapshotFlag.COPY)
        ]
        assert (late.previous_id, late.next_id) == (first.snapshot_id, after.snapshot_id)
        ciphertexts = {r.snapshot_id: r.ciphertext for r in await story.world.rows(story.device)}
        assert ciphertexts[after.snapshot_id] == ciphertexts[before.snapshot_id]

    async def test_after_a_split_the_copy_is_the_newest_run(self, story: Story) -> None:
        await story.stored("A", 1)
        await story.tell("A", 5)
        await story.stored("B", 2)
        assert await story.tell("A", 5) == AlreadyStored()
        assert await story.tell("A", 6) == Unchanged()
        assert await story.tell("B", 3) == Unchanged()
        assert await story.texts("A", "B") == ["A", "B", "A"]

    async def test_a_snapshot_at_the_very_end_of_a_run_does_not_split_it(
        self, story: Story
    ) -> None:
        await story.stored("A", 1)
        await story.tell("A", 5)
        stored = await story.stored("B", 5)
        assert stored.next_id is None
        assert await story.texts("A", "B") == ["A", "B"]

    async def test_a_late_text_whose_runs_row_was_deleted_is_stored_again(
        self, story: Story
    ) -> None:
        first = await story.stored("A", 1)
        await story.stored("B", 5)
        await story.world.delete_row(first.snapshot_id)
        await story.stored("A", 2)
        assert await story.texts("A", "B") == ["A", "A", "B"]

    async def test_a_split_copies_nothing_where_the_row_was_deleted(self, story: Story) -> None:
        first = await story.stored("A", 1)
        await story.tell("A", 5)
        await story.world.delete_row(first.snapshot_id)
        late = await story.stored("B", 3)
        assert late.next_id is None
        assert await story.texts("A", "B") == ["A", "B"]
        assert [run.end for run in await story.runs()] == [story.at(1), story.at(3)]
        await story.stored("A", 6)

    async def test_a_split_after_a_move_leaves_the_copy_with_the_former_tenant(
        self, story: Story
    ) -> None:
        await story.stored("A", 1)
        await story.tell("A", 5)
        former = story.tenant
        story.tenant = TenantId(uuid4())
        await story.world.register(story.device, story.tenant)
        await story.stored("A", 3)
        assert [run.tenant_id for run in await story.runs()] == [former, story.tenant, former]
