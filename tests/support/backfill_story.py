"""A random story of one device, with rows of others, told to PostgreSQL and to a plain model."""

import random
from uuid import uuid4

from attrs import frozen

from snapshot_conformance.repository_model import ModelRun, ModelTimeline, Position
from snapshot_conformance.repository_world import Story, digest_of
from snapshot_domain.model import EncryptedSnapshot, SnapshotFlag, SnapshotId, TenantId
from support.backend_database import BackendWorld


@frozen
class _FormerRow:
    """A row that no run knows yet."""

    row_id: SnapshotId
    digest: str
    tenant: TenantId
    position: Position

    def join(self, model: ModelTimeline) -> None:
        """What a backfill makes of it, as plainly as it can be said."""
        earlier = [run for run in model.runs if run.start <= self.position]
        around = max(earlier, key=lambda run: run.start, default=None)
        end = self.position
        if around and self.position < around.end:
            if (around.digest, around.tenant) == (self.digest, self.tenant):
                end = around.end
            elif around.has_row:
                model.runs.append(
                    ModelRun(around.digest, around.tenant, around.end, around.end, is_copy=True)
                )
            around.end = around.start
        model.runs.append(ModelRun(self.digest, self.tenant, self.position, end))
        model.runs.sort(key=lambda run: run.start)


class BackfillStory:
    """Messages, former rows, deletions, moves and backfills, in any order."""

    def __init__(self, world: BackendWorld, story: Story, chance: random.Random) -> None:
        self._world = world
        self._story = story
        self._chance = chance
        self._model = ModelTimeline()
        self._unknown: list[_FormerRow] = []
        self._former_hours = [hour / 2 for hour in range(24)]
        self._tenants = [story.tenant, TenantId(uuid4())]
        self._messages = 0
        chance.shuffle(self._former_hours)

    async def go_on(self) -> None:
        """One more step."""
        step = self._chance.random()
        if step < 0.35 and self._former_hours:
            await self._write_former_row()
        elif step < 0.45:
            await self._fill()
        elif step < 0.53:
            await self._delete_a_row()
        elif step < 0.58:
            self._story.tenant = self._chance.choice(self._tenants)
            await self._world.register(self._story.device, self._story.tenant)
        else:
            await self._tell()

    async def end(self) -> None:
        """A last backfill, after which every row has its run, as the model says."""
        await self._fill()
        await self._world.assert_consistent()

    async def _tell(self) -> None:
        self._messages += 1
        hour, text = self._chance.randrange(12), self._chance.choice("AAB")
        item: EncryptedSnapshot = self._story.snapshot(text, hour, self._messages)
        expected, _ = self._model.decide(item, self._story.tenant)
        [answer] = await self._world.repository.store([item])
        assert type(answer).__name__ == expected

    async def _write_former_row(self) -> None:
        hour, text = self._former_hours.pop(), self._chance.choice("AAB")
        row_id = await self._world.former_row(self._story, text, hour)
        position = self._story.at(hour, 0)
        row = _FormerRow(row_id, digest_of(text).hex, self._story.tenant, position)
        self._unknown.append(row)

    async def _delete_a_row(self) -> None:
        rows = await self._world.rows(self._story.device)
        if not rows:
            return
        victim = self._chance.choice(sorted(rows, key=lambda row: (row.collected_at, row.digest)))
        runs = {run.snapshot_id: run for run in await self._world.runs(self._story.device)}
        await self._world.delete_row(victim.snapshot_id)
        self._unknown = [row for row in self._unknown if row.row_id != victim.snapshot_id]
        if victim.snapshot_id in runs:
            run = runs[victim.snapshot_id]
            for known in self._model.runs:
                if (known.start, known.digest) == (run.start, run.digest):
                    known.has_row = False

    async def _fill(self) -> None:
        await self._world.backfill.run()
        for row in sorted(self._unknown, key=lambda row: row.position, reverse=True):
            row.join(self._model)
        self._unknown = []
        rows = {row.snapshot_id for row in await self._world.rows(self._story.device)}
        kept = [
            (
                *(run.start, run.end, run.digest, run.tenant_id),
                bool(run.flags & SnapshotFlag.COPY),
                run.snapshot_id in rows,
            )
            for run in await self._world.runs(self._story.device)
        ]
        assert kept == [run.as_kept() for run in self._model.runs]
