"""The rules of the timeline, told through the use case."""

from datetime import timedelta
from itertools import permutations

import pytest

from snapshot_domain.model import SnapshotFlag
from snapshot_domain.outcome import AlreadyStored, Orphaned, Stored, Unchanged
from support.memory_world import MemoryWorld
from support.messages import MORNING, device, tenant

HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


async def test_a_b_a_is_three_runs_within_one_batch(world: MemoryWorld) -> None:
    for hour, text in enumerate("ABA"):
        world.publish(text, at=MORNING + hour * HOUR)
    outcomes = await world.ingest()
    assert all(isinstance(outcome, Stored) for outcome in outcomes)
    assert await world.texts() == ["A", "B", "A"]


async def test_a_b_a_is_three_runs_over_three_batches(world: MemoryWorld) -> None:
    for hour, text in enumerate("ABA"):
        world.publish(text, at=MORNING + hour * HOUR)
        await world.ingest()
    assert await world.texts() == ["A", "B", "A"]


async def test_a_a_a_is_one_run_whose_end_moved(world: MemoryWorld) -> None:
    for hour in range(3):
        world.publish("A", at=MORNING + hour * HOUR)
    first, *others = await world.ingest()
    assert isinstance(first, Stored)
    assert others == [Unchanged(), Unchanged()]
    assert world.runs() == [(MORNING, MORNING + 2 * HOUR)]


async def test_at_the_same_time_the_stream_s_sequence_decides_the_order(
    world: MemoryWorld,
) -> None:
    world.publish("A")
    world.publish("B")
    await world.ingest()
    assert await world.texts() == ["A", "B"]


async def test_a_late_snapshot_takes_its_place_in_the_middle(world: MemoryWorld) -> None:
    world.publish("A", at=MORNING)
    world.publish("C", at=MORNING + 2 * HOUR)
    _, newest = await world.ingest()
    world.publish("B", at=MORNING + HOUR)
    (late,) = await world.ingest()
    assert isinstance(late, Stored)
    assert isinstance(newest, Stored)
    assert late.next_id == newest.snapshot_id
    assert await world.texts() == ["A", "B", "C"]


async def test_a_late_snapshot_inside_a_run_splits_it(world: MemoryWorld) -> None:
    world.publish("A", at=MORNING)
    world.publish("A", at=MORNING + 2 * HOUR)
    await world.ingest()
    world.publish("B", at=MORNING + HOUR)
    (late,) = await world.ingest()
    assert isinstance(late, Stored)
    assert await world.texts() == ["A", "B", "A"]
    assert world.runs() == [
        (MORNING, MORNING),
        (MORNING + HOUR, MORNING + HOUR),
        (MORNING + 2 * HOUR, MORNING + 2 * HOUR),
    ]
    copy = world.repository.timelines[device("r1")][-1]
    assert copy.flags == SnapshotFlag.COPY
    assert late.next_id == copy.snapshot_id


async def test_the_message_at_the_end_of_a_split_run_is_already_stored_when_redelivered(
    world: MemoryWorld,
) -> None:
    world.publish("A", at=MORNING)
    world.publish("A", at=MORNING + 2 * HOUR)
    deliveries = await world.source.fetch(10, 10_000)
    await world.use_case.ingest(deliveries)
    world.publish("B", at=MORNING + HOUR)
    await world.ingest()
    assert await world.use_case.ingest(deliveries[1:]) == [AlreadyStored()]
    assert await world.texts() == ["A", "B", "A"]


async def test_a_late_snapshot_of_the_same_text_within_a_run_is_unchanged(
    world: MemoryWorld,
) -> None:
    world.publish("A", at=MORNING)
    world.publish("A", at=MORNING + 2 * HOUR)
    await world.ingest()
    world.publish("A", at=MORNING + HOUR)
    assert await world.ingest() == [Unchanged()]
    assert world.runs() == [(MORNING, MORNING + 2 * HOUR)]


async def test_a_snapshot_before_the_first_run_comes_first(world: MemoryWorld) -> None:
    world.publish("B", at=MORNING + HOUR)
    await world.ingest()
    world.publish("A", at=MORNING)
    (first,) = await world.ingest()
    assert isinstance(first, Stored)
    assert first.previous_id is None
    assert await world.texts() == ["A", "B"]


async def test_where_the_row_was_deleted_an_unchanged_text_is_stored_again(
    world: MemoryWorld,
) -> None:
    world.publish("A")
    await world.ingest()
    world.repository.rows.clear()
    world.publish("A", at=MORNING + HOUR)
    (again,) = await world.ingest()
    assert isinstance(again, Stored)
    assert len(world.repository.rows) == 1


async def test_a_split_of_a_run_whose_row_was_deleted_copies_nothing(world: MemoryWorld) -> None:
    world.publish("A", at=MORNING)
    world.publish("A", at=MORNING + 2 * HOUR)
    await world.ingest()
    world.repository.rows.clear()
    world.publish("B", at=MORNING + HOUR)
    await world.ingest()
    assert len(world.repository.rows) == 1
    assert world.runs() == [(MORNING, MORNING), (MORNING + HOUR, MORNING + HOUR)]


async def test_a_device_that_moved_to_another_tenant_starts_a_new_run(world: MemoryWorld) -> None:
    world.publish("A", at=MORNING)
    await world.ingest()
    world.directory.register(device("r1"), tenant("zeta"))
    world.publish("A", owner="zeta", at=MORNING + HOUR)
    world.publish("A", owner="acme", at=MORNING + 2 * HOUR)
    moved, former = await world.ingest()
    assert isinstance(moved, Stored)
    assert former == Orphaned()
    owners = [run.tenant_id for run in world.repository.timelines[device("r1")]]
    assert owners == [tenant("acme"), tenant("zeta")]


async def test_the_copy_of_a_split_run_keeps_its_own_tenant(world: MemoryWorld) -> None:
    world.publish("A", at=MORNING)
    world.publish("A", at=MORNING + 2 * HOUR)
    await world.ingest()
    world.directory.register(device("r1"), tenant("zeta"))
    world.publish("A", owner="zeta", at=MORNING + HOUR)
    await world.ingest()
    owners = [run.tenant_id for run in world.repository.timelines[device("r1")]]
    assert owners == [tenant("acme"), tenant("zeta"), tenant("acme")]
    assert await world.texts() == ["A", "A", "A"]


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_in_any_order_of_arrival_every_change_is_kept_and_the_newest_text_is_right(
    world: MemoryWorld, order: tuple[int, ...]
) -> None:
    texts = "ABAC"
    for place in order:
        world.publish(texts[place], at=MORNING + place * HOUR)
        await world.ingest()
    timeline = await world.texts()
    collapsed = [text for at, text in enumerate(timeline) if at == 0 or timeline[at - 1] != text]
    assert collapsed == list(texts)


async def test_the_runs_of_two_devices_do_not_touch_each_other(world: MemoryWorld) -> None:
    for hour, (of, text) in enumerate([("r1", "A"), ("r2", "B"), ("r1", "A"), ("r2", "C")]):
        world.publish(text, of=of, at=MORNING + hour * HOUR)
    await world.ingest()
    assert await world.texts("r1") == ["A"]
    assert await world.texts("r2") == ["B", "C"]
