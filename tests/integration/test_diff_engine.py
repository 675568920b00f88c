"""The backend's diff engine as a listener: its tables are filled as the former subscriber did it.

That one called the engine after each commit: it compared the new row with the device's previous
one, and wrote a line of history and a diff. What it wrote of messages that came in order of time is
what must be there; and in whatever order they came, each row is compared with the one before it.
"""

import difflib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio
from attrs import define, field, frozen

from snapshot_domain.model import SnapshotId, TenantId
from snapshot_domain.ports import NamedListener, SnapshotNotice, TenantKey
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import PostgresSnapshotReader
from support.messages import MORNING, device
from support.real_world import RealWorld, real_world
from support.waiting import until_true

_TABLES = """
CREATE TABLE config_history (snapshot_id uuid PRIMARY KEY, what text NOT NULL);
CREATE TABLE config_diffs (
    snapshot_id uuid PRIMARY KEY, previous_id uuid NOT NULL, diff text NOT NULL);
"""
_FILLED = """
SELECT row.device_id, row.collected_at, history.what, diff.diff
FROM config_history AS history
LEFT JOIN config_diffs AS diff USING (snapshot_id)
JOIN router_config_snapshots AS row ON row.id = history.snapshot_id
"""

Filled = dict[tuple[str, datetime], tuple[str, str | None]]


@frozen
class Said:
    """A message: a device had this text at that minute."""

    of: str
    text: str
    minute: int

    @property
    def at(self) -> datetime:
        return MORNING + timedelta(minutes=self.minute)


@define
class DiffEngine:
    """What a backend writes to have its diffs; each notice in a transaction of its own."""

    world: RealWorld
    fails_at: set[int] = field(factory=set)
    calls: int = 0
    told: list[SnapshotId] = field(factory=list)

    async def stored(self, notices: Sequence[SnapshotNotice]) -> None:
        """See SnapshotListener."""
        self.calls += 1
        for number, notice in enumerate(notices):
            await self._note(notice)
            self.told.append(notice.snapshot_id)
            if self.calls in self.fails_at and number == len(notices) // 2:
                raise RuntimeError("half of them are done")

    async def _note(self, notice: SnapshotNotice) -> None:
        await self._compare(notice.previous_id, notice.snapshot_id, notice.key.tenant_id)
        if notice.next_id is not None:
            # It came late: the one after it is to be compared with it, and not with the one before.
            await self._compare(notice.snapshot_id, notice.next_id, notice.key.tenant_id)

    async def _compare(self, before: SnapshotId | None, after: SnapshotId, owner: TenantId) -> None:
        admin = self.world.postgres.admin
        await admin.execute(
            "INSERT INTO config_history VALUES ($1, $2)"
            " ON CONFLICT (snapshot_id) DO UPDATE SET what = excluded.what",
            after,
            "first" if before is None else "changed",
        )
        if before is not None:
            await admin.execute(
                "INSERT INTO config_diffs VALUES ($1, $2, $3) ON CONFLICT (snapshot_id)"
                " DO UPDATE SET previous_id = excluded.previous_id, diff = excluded.diff",
                after,
                before,
                _diff(await self._text(before, owner), await self._text(after, owner)),
            )

    async def _text(self, snapshot_id: SnapshotId, owner: TenantId) -> str:
        stored = await PostgresSnapshotReader(self.world.postgres.admin).snapshot(snapshot_id)
        assert stored is not None
        return (await self.world.openbao.decrypt(TenantKey(owner), stored.ciphertext)).decode()


def _diff(before: str, after: str) -> str:
    return "\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm=""))


def _as_the_former_subscriber_did(messages: Sequence[Said]) -> Filled:
    """From the messages in order of time; it stored nothing for a text that it had already."""
    stored: list[Said] = []
    last: dict[str, str] = {}
    for said in sorted(messages, key=lambda each: each.minute):
        if last.get(said.of) != said.text:
            stored.append(said)
        last[said.of] = said.text
    return _compared(stored)


def _compared(stored: Sequence[Said]) -> Filled:
    """Each row with the device's previous one; the rows are in order of time."""
    filled: Filled = {}
    last: dict[str, str] = {}
    for said in stored:
        before = last.get(said.of)
        last[said.of] = said.text
        what = "first" if before is None else "changed"
        diff = None if before is None else _diff(before, said.text)
        filled[str(device(said.of)), said.at] = (what, diff)
    return filled


async def _filled(world: RealWorld) -> Filled:
    rows = await world.postgres.admin.fetch(_FILLED)
    return {
        (str(row["device_id"]), row["collected_at"]): (row["what"], row["diff"]) for row in rows
    }


@pytest_asyncio.fixture(loop_scope="session")
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with real_world(stack, tmp_path) as running:
        await running.postgres.admin.execute(_TABLES)
        yield running


async def _ingest(world: RealWorld, messages: Sequence[Said], *listeners: NamedListener) -> None:
    """Publishes them in this order, to a process with these listeners; returns when all is done."""
    for said in messages:
        await world.publish(said.text, of=said.of, at=said.at)

    async def is_settled() -> bool:
        return not await world.unsettled()

    async with (
        open_ingestion(world.settings(), listeners=listeners) as ingestion,
        ingestion.running(),
    ):
        await until_true(is_settled)


def _story(seed: int, *, minutes: int = 12) -> list[Said]:
    """Two devices whose texts change, and come back, in order of time."""
    chance = Random(seed)
    return [
        Said(of, f"/system identity\nset name={chance.choice('ABC')}\nset of={of}\n", minute)
        for minute in range(minutes)
        for of in ("r1", "r2")
    ]


async def test_its_tables_are_as_the_former_subscriber_filled_them(world: RealWorld) -> None:
    messages = _story(1)
    engine = DiffEngine(world)
    await _ingest(world, messages, NamedListener("diffs", engine))
    filled = await _filled(world)
    assert filled == _as_the_former_subscriber_did(messages)
    assert len(filled) > 10
    assert len(engine.told) == len(set(engine.told))


async def test_a_late_snapshot_that_splits_a_run_has_the_diffs_around_it_redone(
    world: RealWorld,
) -> None:
    messages = [Said("r1", "A\n", 1), Said("r1", "A\n", 9), Said("r1", "B\n", 3)]
    late = [*messages, Said("r1", "C\n", 5)]
    for part in (late[:2], late[2:3], late[3:]):
        await _ingest(world, part, NamedListener("diffs", DiffEngine(world)))
    filled = await _filled(world)
    assert filled == _as_the_former_subscriber_did(late)
    assert filled[str(device("r1")), late[1].at] == ("changed", _diff("C\n", "A\n"))


@pytest.mark.parametrize("seed", [2, 3])
async def test_it_is_told_of_all_whatever_fails_and_whoever_stored_it(
    world: RealWorld, seed: int
) -> None:
    """Late ones, calls that fail half done, and a process that has no listener at all."""
    messages = _story(seed)
    shuffled = Random(seed).sample(messages, len(messages))
    engine = DiffEngine(world, fails_at={1, 3})
    await _ingest(world, shuffled[:8], NamedListener("diffs", engine))
    await _ingest(world, shuffled[8:16])
    await _ingest(world, shuffled[16:], NamedListener("diffs", engine))
    await _ingest(world, [], NamedListener("diffs", engine))
    assert engine.calls >= 3
    assert await _filled(world) == await _each_row_compared_with_the_one_before(world)


async def _each_row_compared_with_the_one_before(world: RealWorld) -> Filled:
    """Of what is stored in the end. Late ones may leave out a return that nobody knew of."""
    stored: list[Said] = []
    for of in ("r1", "r2"):
        runs = await world.postgres.runs(device(of))
        for run, text in zip(runs, await world.texts(of), strict=True):
            stored.append(Said(of, text, (run.start[0] - MORNING) // timedelta(minutes=1)))
    assert len(stored) > 10
    return _compared(stored)
