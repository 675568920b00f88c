"""The way back to the former subscriber, and forth again."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from nats.js.api import ConsumerConfig

from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.stack import EmbeddedStack
from snapshot_ingest.takeover.errors import TakeOverError
from snapshot_ingest.takeover.finding import Deed
from snapshot_ingest.takeover.parties import Step
from support.at_work import at_work
from support.handing_over import HandedOver, handed_over
from support.messages import MORNING
from support.waiting import until_true

HOUR = timedelta(hours=1)


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[HandedOver]:
    """One in which our worker has taken over from the former subscriber, and stored A and B."""
    async with handed_over(stack, tmp_path) as world:
        async with world.former() as former:
            await world.publish("A")
            await former.until_handled(1)
            await world.until_acknowledged(1)
        await world.take_over()
        await world.publish("B", at=MORNING + HOUR)
        await world.work()
        yield world


async def former_stores(world: HandedOver, *texts: str, first_hour: int) -> None:
    """The former subscriber stores and settles the texts, an hour after the other."""
    async with world.former() as former:
        for number, text in enumerate(texts):
            await world.publish(text, at=MORNING + (first_hour + number) * HOUR)
        await former.until_handled(len(texts))
        await world.until_acknowledged(len(texts))
        assert former.handled == list(texts)


async def test_the_former_subscriber_goes_on_where_our_workers_ended_and_back_again(
    world: HandedOver,
) -> None:
    for turn in range(2):
        first = 2 + 4 * turn
        account = await world.take_over(back=True)
        assert (account.found, account.deed, account.done) == ("pull", Deed.GO_BACK, True)
        await former_stores(world, f"C{turn}", f"D{turn}", first_hour=first)
        account = await world.take_over()
        assert account.rows_added == 2
        await world.publish(f"D{turn}", at=MORNING + (first + 2) * HOUR)
        await world.publish(f"E{turn}", at=MORNING + (first + 3) * HOUR)
        await world.work()
    expected = ["A", "B", "C0", "D0", "E0", "C1", "D1", "E1"]
    assert await world.texts() == await world.row_texts("r1") == expected


async def test_the_push_consumer_is_as_a_subscriber_makes_it(world: HandedOver) -> None:
    subscribed = await world.place.jetstream.subscribe(
        f"{world.place.family}.>", durable="another", stream=world.place.stream, manual_ack=True
    )
    wanted = (await subscribed.consumer_info()).config
    await world.take_over(back=True, inbox="_INBOX_backend")
    made = (await world.place.info()).config
    assert made.deliver_subject is not None
    assert made.deliver_subject.startswith("_INBOX_backend.")
    differing = {
        name for name in vars(ConsumerConfig()) if getattr(made, name) != getattr(wanted, name)
    }
    assert differing == {
        "name",
        "durable_name",
        "description",
        "deliver_policy",
        "opt_start_seq",
        "deliver_subject",
    }
    assert (made.deliver_policy, made.opt_start_seq) == ("by_start_sequence", 3)


async def test_nothing_is_taken_from_a_worker_that_waits(world: HandedOver) -> None:
    async with open_ingestion(world.settings()) as ingestion, at_work(ingestion):
        await world.place.until_waiting()
        with pytest.raises(TakeOverError, match=r"somebody listens.*every worker is stopped"):
            await world.take_over(back=True)
        assert not (await world.place.info()).config.deliver_subject


async def test_what_a_worker_left_in_hand_would_come_to_the_former_subscriber(
    world: HandedOver,
) -> None:
    pull = await world.place.jetstream.pull_subscribe_bind(world.place.durable, world.place.stream)
    await world.publish("C", at=MORNING + 2 * HOUR)
    await world.publish("D", of="r2")
    [_, second] = await pull.fetch(2)
    await second.ack_sync()
    seen = await world.take_over(back=True, for_real=False)
    assert (seen.unsettled, seen.start, seen.done) == (1, 3, False)
    assert not (await world.place.info()).config.deliver_subject


class Killed(Exception):
    """The process is gone."""


@pytest.mark.parametrize("last", [Step.QUIET, Step.KEPT, Step.REMOVED, Step.MADE])
@pytest.mark.parametrize("finished", ["back", "forth"])
async def test_killed_after_any_step_it_is_finished_in_either_direction(
    world: HandedOver, last: Step, finished: str
) -> None:
    def tell(step: Step) -> None:
        if step is last:
            raise Killed

    with pytest.raises(Killed):
        await world.take_over(back=True, tell=tell)
    await world.take_over(back=finished == "back")
    assert bool((await world.place.info()).config.deliver_subject) == (finished == "back")
    if finished == "back":
        await former_stores(world, "C", first_hour=2)
        await world.take_over()
    await world.publish("D", at=MORNING + 3 * HOUR)
    await world.work()
    expected = ["A", "B", "C", "D"] if finished == "back" else ["A", "B", "D"]
    assert await world.texts() == await world.row_texts("r1") == expected


async def test_it_may_be_run_again_any_number_of_times(world: HandedOver) -> None:
    await world.take_over(back=True)
    made = await world.place.info()
    for _ in range(2):
        account = await world.take_over(back=True)
        assert (account.found, account.deed, account.start) == ("push", Deed.NOTHING, None)
    assert await world.place.info() == made


async def test_workers_wait_while_the_former_subscriber_is_at_work(world: HandedOver) -> None:
    await world.take_over(back=True)
    async with open_ingestion(world.settings()) as ingestion, at_work(ingestion):

        async def has_faults() -> bool:
            return "push consumer" in str(await ingestion.faults())

        await until_true(has_faults)
        await former_stores(world, "C", first_hour=2)
    assert await world.row_texts("r1") == ["A", "B", "C"]


async def test_a_worker_that_makes_the_consumer_again_meanwhile_is_no_loss(
    world: HandedOver,
) -> None:
    """Between its deletion and the other's making, a worker that nobody stopped may be faster."""

    def tell(step: Step) -> None:
        if step is Step.REMOVED:
            raise Killed

    with pytest.raises(Killed):
        await world.take_over(back=True, tell=tell)
    await world.publish("C", at=MORNING + 2 * HOUR)
    await world.work()
    account = await world.take_over(back=True)
    assert (account.found, account.start) == ("pull", 4)
    await former_stores(world, "D", first_hour=3)
    assert await world.row_texts("r1") == ["A", "B", "C", "D"]
