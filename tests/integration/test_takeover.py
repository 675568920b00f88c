"""A take-over from the former subscriber, which stopped in the middle of its work."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from snapshot_domain.errors import Unavailable
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.stack import EmbeddedStack
from snapshot_ingest.takeover.errors import TakeOverError
from snapshot_ingest.takeover.finding import Deed
from snapshot_ingest.takeover.parties import Step
from support.at_work import at_work
from support.former_subscriber import Fate
from support.handing_over import ACK_WAIT_SECONDS, HURRIED, HandedOver, handed_over
from support.messages import MORNING, device, message, tenant
from support.waiting import until, until_true

HOUR = timedelta(hours=1)


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[HandedOver]:
    async with handed_over(stack, tmp_path) as world:
        yield world


async def stop_in_the_middle(world: HandedOver) -> None:
    """Six messages of two devices; the former subscriber stores four of them and settles four.

    In the stream's order: A stored, B not begun, X stored and not acknowledged, A stored once more
    (there is no B before it), Y and C stored.
    """
    fates = {"B": Fate.NOT_BEGUN, "X": Fate.STORED_NOT_ACKED}
    texts = (("r1", "A"), ("r1", "B"), ("r2", "X"), ("r1", "A"), ("r2", "Y"), ("r1", "C"))
    async with world.former(lambda text: fates.get(text, Fate.WHOLE)) as former:
        for number, (of, text) in enumerate(texts):
            await world.publish(text, of=of, at=MORNING + number * HOUR)
        await former.until_handled(len(texts))
        await world.until_acknowledged(4)


async def assert_all_is_stored_once(world: HandedOver, *later: str) -> None:
    await world.work()
    assert await world.texts("r1") == ["A", "B", "A", "C", *later]
    assert await world.row_texts("r1") == ["A", "B", "A", "C", *later]
    assert await world.texts("r2") == await world.row_texts("r2") == ["X", "Y"]


async def test_what_the_former_subscriber_left_in_the_middle_is_stored_once(
    world: HandedOver,
) -> None:
    await stop_in_the_middle(world)
    account = await world.take_over()
    assert (account.found, account.deed, account.done) == ("push", Deed.TAKE_OVER, True)
    assert (account.start, account.rows_added) == (2, 4)
    info = await world.place.info()
    assert (info.config.deliver_subject, info.config.opt_start_seq) == (None, 2)
    await world.publish("D", at=MORNING + 6 * HOUR)
    await assert_all_is_stored_once(world, "D")


async def test_without_yes_it_says_what_would_happen_and_changes_nothing(
    world: HandedOver,
) -> None:
    await stop_in_the_middle(world)
    await world.publish("D", at=MORNING + 6 * HOUR)
    before = await world.place.info()
    account = await world.take_over(for_real=False)
    assert (account.found, account.deed, account.done) == ("push", Deed.TAKE_OVER, False)
    assert (account.listened_to, account.ack_floor, account.start) == (False, 1, 2)
    assert (account.delivered, account.unsettled, account.pending) == (6, 2, 1)
    assert account.rows_added is None
    assert await world.place.info() == before
    assert await world.postgres.admin.fetch("SELECT FROM snapshot_ingest.ack_floors") == []
    assert await world.postgres.runs(device("r1")) == []


async def test_it_may_be_run_again_any_number_of_times(world: HandedOver) -> None:
    await stop_in_the_middle(world)
    await world.take_over()
    made = (await world.place.info()).created
    for _ in range(2):
        account = await world.take_over()
        assert (account.found, account.deed, account.rows_added) == ("pull", Deed.NOTHING, 0)
        assert (await world.place.info()).created == made
    await assert_all_is_stored_once(world)


class Killed(Exception):
    """The process is gone."""


@pytest.mark.parametrize(
    ("last", "worker_first"), [*((step, False) for step in Step), (Step.REMOVED, True)]
)
async def test_killed_after_any_step_it_is_finished_by_running_it_again(
    world: HandedOver,
    last: Step,
    worker_first: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    await stop_in_the_middle(world)

    def tell(step: Step) -> None:
        if step is last:
            raise Killed

    with pytest.raises(Killed):
        await world.take_over(tell=tell)
    if worker_first:
        await assert_all_is_stored_once(world)  # a worker makes a missing consumer by itself
    account = await world.take_over()
    assert account.done
    assert not (await world.place.info()).config.deliver_subject
    await assert_all_is_stored_once(world)


async def test_killed_before_its_floor_is_kept_the_former_subscriber_goes_on(
    world: HandedOver,
) -> None:
    await stop_in_the_middle(world)

    def tell(step: Step) -> None:
        if step is Step.ADDED:
            raise Killed

    with pytest.raises(Killed):
        await world.take_over(tell=tell)
    async with world.former():
        await world.publish("D", at=MORNING + 6 * HOUR)
        await world.until_acknowledged(9)
    account = await world.take_over()
    assert account.start == 8
    await world.work()
    # It acknowledged the second A when it knew of no B, and compares with the newest row alone.
    assert await world.row_texts("r1") == await world.texts("r1") == ["A", "B", "C", "D"]
    assert await world.row_texts("r2") == await world.texts("r2") == ["X", "X", "Y"]


async def test_nothing_is_taken_from_somebody_who_listens(world: HandedOver) -> None:
    async with world.former() as former:
        await world.publish("A")
        await former.until_handled(1)
        assert (await world.take_over(for_real=False)).listened_to
        with pytest.raises(TakeOverError, match=r"somebody listens.*former subscriber is stopped"):
            await world.take_over()
        assert (await world.place.info()).push_bound


async def test_one_who_ends_in_order_is_given_the_time_for_what_he_has_in_hand(
    world: HandedOver,
) -> None:
    """nats-py stops listening first, and then works through what it was sent."""
    going_on = asyncio.Event()
    async with world.former() as former:
        former.pace = going_on.wait
        for number in range(3):
            await world.publish(f"text {number}", at=MORNING + number * HOUR)
        await world.until_delivered(3)
        await former.begin_to_end()
        steps: list[Step] = []
        taking = asyncio.create_task(world.take_over(tell=steps.append))
        former.pace = lambda: asyncio.sleep(0.7 * ACK_WAIT_SECONDS)
        going_on.set()
        await former.until_handled(3)
        assert steps == []
        account = await taking
    assert (account.start, account.rows_added) == (4, 3)
    assert account.unsettled in (2, 3)  # he may have settled one before the first look
    await world.work()
    assert await world.row_texts("r1") == ["text 0", "text 1", "text 2"]


@asynccontextmanager
async def late_commit(world: HandedOver, text: str) -> AsyncIterator[None]:
    """The former subscriber is killed over its INSERT; the server commits it at the block's end."""
    async with world.former(lambda _: Fate.NOT_BEGUN) as former:
        await world.publish(text)
        await former.until_handled(1)
    async with (
        world.postgres.admin.acquire(timeout=10) as connection,
        connection.transaction(),
    ):
        body = message(device("r1"), tenant("acme"), text).reveal()
        await former.insert(json.loads(body), connection)
        yield


async def test_a_row_that_is_committed_late_is_not_missed(world: HandedOver) -> None:
    steps: list[Step] = []
    async with late_commit(world, "A"):
        taking = asyncio.create_task(world.take_over(tell=steps.append))
        await until(lambda: Step.QUIET in steps, every_seconds=0.01)
        await asyncio.wait([taking], timeout=10 * HURRIED.look_every.total_seconds())
        assert steps == [Step.QUIET]
    account = await taking
    assert account.rows_added == 1
    await world.work()
    assert await world.row_texts("r1") == ["A"]
    assert await world.texts("r1") == ["A"]


async def test_a_transaction_that_does_not_end_is_named_and_nothing_is_changed(
    world: HandedOver,
) -> None:
    async with late_commit(world, "A"):
        hurried = evolve(HURRIED, transactions=timedelta(seconds=0.1))
        with pytest.raises(TakeOverError, match=r"still running.*server processes: \d+"):
            await world.take_over(patience=hurried)
    assert (await world.place.info()).config.deliver_subject
    assert (await world.take_over()).rows_added == 1


async def test_a_subscriber_that_comes_back_meanwhile_keeps_its_consumer(
    world: HandedOver,
) -> None:
    steps: list[Step] = []
    async with late_commit(world, "A"):
        taking = asyncio.create_task(world.take_over(tell=steps.append))
        await until(lambda: Step.QUIET in steps, every_seconds=0.01)
        async with world.former(lambda _: Fate.NOT_BEGUN) as back:
            await world.publish("B", of="r2")
            await back.until_handled(1)
    with pytest.raises(Unavailable, match="somebody has used the consumer"):
        await taking
    assert (await world.place.info()).config.deliver_subject
    assert (await world.take_over()).start == 1
    await world.work()
    assert await world.texts("r1") == ["A"]
    assert await world.row_texts("r2") == ["B"]


async def test_two_take_overs_at_once_lose_nothing(world: HandedOver) -> None:
    await stop_in_the_middle(world)
    ends = await asyncio.gather(world.take_over(), world.take_over(), return_exceptions=True)
    assert all(
        not isinstance(end, BaseException) or isinstance(end, Unavailable | TakeOverError)
        for end in ends
    )
    await world.take_over()
    await assert_all_is_stored_once(world)


async def test_a_worker_that_waits_for_the_take_over_begins_by_itself(world: HandedOver) -> None:
    await stop_in_the_middle(world)

    async def is_settled() -> bool:
        return not await world.unsettled()

    async def has_faults() -> bool:
        return bool(await ingestion.faults())

    async with open_ingestion(world.settings()) as ingestion, at_work(ingestion):
        await until_true(has_faults)
        await world.take_over()
        await until_true(is_settled)
    await assert_all_is_stored_once(world)


@pytest.mark.parametrize("batch", [1, 200])
async def test_texts_of_one_second_are_known_again(world: HandedOver, batch: int) -> None:
    """The poller's times have seconds; which of its rows came last, nobody knows."""
    devices, texts = ("r1", "r2", "r3"), ("A", "B", "C", "A")
    async with world.former(lambda _: Fate.STORED_NOT_ACKED) as former:
        for of in devices:
            for text in texts:
                await world.publish(text, of=of)
        await former.until_handled(len(devices) * len(texts))
    rows = {of: sorted(await world.row_texts(of)) for of in devices}
    await world.take_over()
    await world.work(f"worker.batch_messages={batch}", "worker.batches_in_flight=1")
    for of in devices:
        assert sorted(await world.row_texts(of)) == rows[of]
        await world.publish("D", of=of)
        await world.publish("A", of=of, at=MORNING + HOUR)
    await world.work()
    for of in devices:
        assert (await world.texts(of))[-2:] == ["D", "A"]


async def test_what_the_stream_discards_meanwhile_does_not_hold_it_up(world: HandedOver) -> None:
    async with world.former(lambda _: Fate.NOT_BEGUN) as former:
        for number in range(200):
            await world.publish(f"text {number}", at=MORNING + number * HOUR)
        await former.until_handled(200)
    config = (await world.place.jetstream.stream_info(world.place.stream)).config
    await world.place.jetstream.update_stream(config.evolve(max_msgs=200))
    discarding = asyncio.create_task(publish_telemetry(world))
    try:
        account = await world.take_over(
            patience=evolve(HURRIED, stirring=timedelta(seconds=2 * ACK_WAIT_SECONDS))
        )
    finally:
        discarding.cancel()
    assert account.done
    assert not (await world.place.info()).config.deliver_subject


async def publish_telemetry(world: HandedOver) -> None:
    while True:
        await world.place.jetstream.publish(f"{world.place.family.split('.')[0]}.status", b"")
        await asyncio.sleep(0.05)


async def test_the_former_consumer_may_have_another_name(world: HandedOver) -> None:
    async with world.former(durable="other") as former:
        await world.publish("A")
        await former.until_handled(1)
        await world.until_acknowledged(1, "other")
    await world.publish("B", at=MORNING + HOUR)
    with pytest.raises(TakeOverError, match="no consumer"):
        await world.take_over()
    account = await world.take_over(consumer="other")
    assert (account.consumer, account.start) == ("other", 2)
    assert (await world.take_over(consumer="other")).deed is Deed.NOTHING
    await world.work()
    assert await world.row_texts("r1") == ["A", "B"]
