"""The contract of HashRepository against a plain model: any story is kept as the rules say."""

import random
from datetime import datetime
from uuid import uuid4

import pytest
from attrs import define, evolve, field

from snapshot_conformance.repository_world import RepositoryWorld, Story
from snapshot_domain.model import EncryptedSnapshot, SnapshotFlag, TenantId
from snapshot_domain.outcome import Stored

Position = tuple[datetime, int]


@define(eq=False)
class ModelRun:
    """A run, and whether its row is still there."""

    digest: str
    tenant: TenantId
    start: Position
    end: Position
    is_copy: bool = False
    has_row: bool = True

    def as_kept(self) -> tuple[object, ...]:
        """What a look around the adapter must find."""
        return (self.start, self.end, self.digest, self.tenant, self.is_copy, self.has_row)


@define
class ModelTimeline:
    """The rules of the timeline as plainly as they can be said. It shares no code with anybody."""

    runs: list[ModelRun] = field(factory=list)

    def decide(self, item: EncryptedSnapshot, owner: TenantId) -> tuple[str, list[ModelRun | None]]:
        """The answer's name, and the runs before and after what is stored."""
        key, digest = item.key, item.key.digest.hex
        if key.tenant_id != owner:
            return "Orphaned", []
        if any(run.start == key.position and run.digest == digest for run in self.runs):
            return "AlreadyStored", []
        earlier = [run for run in self.runs if run.start <= key.position]
        at = max(earlier, key=lambda run: run.start, default=None)
        if at and at.has_row and at.digest == digest and at.tenant == owner:
            at.end = max(at.end, key.position)
            return "Unchanged", []
        if item.ciphertext is None:
            return "NeedsCiphertext", []
        if at and key.position < at.end:
            if at.has_row:
                self.runs.append(ModelRun(at.digest, at.tenant, at.end, at.end, is_copy=True))
            at.end = at.start
        later = [run for run in self.runs if run.start > key.position]
        following = min(later, key=lambda run: run.start, default=None)
        self.runs.append(ModelRun(digest, owner, key.position, key.position))
        self.runs.sort(key=lambda run: run.start)
        return "Stored", [at, following]


class TimelineModelContract:
    """Part of HashRepositoryContract, which is the class to subclass."""

    @pytest.mark.parametrize("seed", range(12))
    async def test_any_story_is_kept_as_the_plain_model_says(
        self, world: RepositoryWorld, seed: int
    ) -> None:
        """Late, repeated, redelivered and unencrypted snapshots, deleted rows and moves."""
        chance = random.Random(seed)
        tale = _Tale(await Story(world).begin(), chance)
        for _ in range(25):
            await tale.go_on()


class _Tale:
    """A random story of one device, told to the adapter and to the model."""

    def __init__(self, story: Story, chance: random.Random) -> None:
        self._story = story
        self._chance = chance
        self._model = ModelTimeline()
        self._told: list[EncryptedSnapshot] = []
        self._tenants = [story.tenant, TenantId(uuid4())]

    async def go_on(self) -> None:
        """One more step, after which both must agree."""
        step = self._chance.random()
        if step < 0.08:
            await self._delete_a_row()
        elif step < 0.14:
            await self._move()
        else:
            await self._tell_a_batch()
        await self._compare()

    async def _tell_a_batch(self) -> None:
        batch = [self._next() for _ in range(self._chance.choice([1, 1, 1, 2, 3, 5]))]
        expected = {}
        for index in sorted(range(len(batch)), key=lambda index: batch[index].key.position):
            expected[index] = self._model.decide(batch[index], self._story.tenant)
        answers = await self._story.world.repository.store(batch)
        ids = {(run.start, run.digest): run.snapshot_id for run in await self._story.runs()}
        for index, answer in enumerate(answers):
            name, neighbours = expected[index]
            assert type(answer).__name__ == name
            if isinstance(answer, Stored):
                key = batch[index].key
                assert answer.snapshot_id == ids[key.position, key.digest.hex]
                assert [answer.previous_id, answer.next_id] == [
                    ids[run.start, run.digest] if run else None for run in neighbours
                ]

    def _next(self) -> EncryptedSnapshot:
        chance = self._chance
        if self._told and chance.random() < 0.2:
            return chance.choice(self._told)
        # Every message has a sequence of its own; several may share an hour.
        number = len(self._told) + 1
        item = self._story.snapshot(chance.choice("ABC"), chance.randrange(12), number)
        if chance.random() < 0.1:
            item = evolve(item, key=evolve(item.key, tenant_id=self._tenants[0]))
        self._told.append(item)
        return evolve(item, ciphertext=None) if chance.random() < 0.2 else item

    async def _delete_a_row(self) -> None:
        rows = [run for run in self._model.runs if run.has_row]
        if not rows:
            return
        victim = self._chance.choice(rows)
        for run in await self._story.world.runs(self._story.device):
            if (run.start, run.digest) == (victim.start, victim.digest):
                await self._story.world.delete_row(run.snapshot_id)
        victim.has_row = False

    async def _move(self) -> None:
        self._story.tenant = self._chance.choice(self._tenants)
        await self._story.world.register(self._story.device, self._story.tenant)

    async def _compare(self) -> None:
        device = self._story.device
        rows = {row.snapshot_id for row in await self._story.world.rows(device)}
        kept = [
            (
                *(run.start, run.end, run.digest, run.tenant_id),
                bool(run.flags & SnapshotFlag.COPY),
                run.snapshot_id in rows,
            )
            for run in await self._story.runs()
        ]
        assert kept == [run.as_kept() for run in self._model.runs]
