"""What a take-over is not done from, with what to do instead."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamSource

from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_ingest.commands.takeover import TakeOverOptions, carried_out
from snapshot_ingest.stack import EmbeddedStack
from snapshot_ingest.takeover.errors import TakeOverError
from snapshot_ingest.takeover.finding import Deed
from support.handing_over import HURRIED, HandedOver, handed_over
from support.messages import MORNING


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[HandedOver]:
    async with handed_over(stack, tmp_path) as world:
        yield world


@pytest.mark.parametrize("back", [False, True])
async def test_without_a_stream(world: HandedOver, back: bool) -> None:  # noqa: FBT001 - a parameter of the test
    await world.place.jetstream.delete_stream(world.place.stream)
    try:
        with pytest.raises(Misconfigured, match=r"the stream does not exist.*provision"):
            await world.take_over(back=back)
    finally:
        await world.place.jetstream.add_stream(
            name=world.place.stream, subjects=[f"{world.place.family}.>"]
        )


@pytest.mark.parametrize("back", [False, True])
async def test_without_any_consumer(world: HandedOver, back: bool) -> None:  # noqa: FBT001 - a parameter of the test
    for for_real in (False, True):
        with pytest.raises(TakeOverError, match=r"no consumer.*--consumer.*provision"):
            await world.take_over(back=back, for_real=for_real)


async def test_a_pull_consumer_of_the_former_name_is_ours_already(world: HandedOver) -> None:
    await make(world)
    for for_real in (False, True):
        account = await world.take_over(for_real=for_real)
        assert (account.found, account.deed, account.start) == ("pull", Deed.NOTHING, None)


async def test_a_pull_consumer_of_another_name_is_nobodys_former_one(world: HandedOver) -> None:
    await make(world, durable_name="other")
    with pytest.raises(TakeOverError, match="the consumer other is no push consumer"):
        await world.take_over(consumer="other")


@pytest.mark.parametrize(
    ("config", "doubt"),
    [
        ({"ack_policy": AckPolicy.ALL}, "ack policy is not explicit"),
        ({"max_deliver": 3}, "gives a message up after 3 deliveries"),
        ({"deliver_policy": DeliverPolicy.NEW}, "did not begin at the stream's start"),
        (
            {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": 5},
            "did not begin at the stream's start",
        ),
        ({"filter_subject": "narrow"}, "its filter is"),
        ({"filter_subject": None}, "its filter is none"),
    ],
)
async def test_a_floor_that_may_stand_above_what_was_not_stored_is_not_taken(
    world: HandedOver, config: dict[str, Any], doubt: str
) -> None:
    if config.get("filter_subject") == "narrow":
        config = {"filter_subject": f"{world.place.family}.create.one"}
    await make(world, deliver_subject="_INBOX.x", **config)
    for for_real in (False, True):
        with pytest.raises(Misconfigured, match=doubt):
            await world.take_over(for_real=for_real)
    assert (await world.place.info()).config.deliver_subject == "_INBOX.x"


async def test_what_it_says_to_do_instead_stores_nothing_twice(world: HandedOver) -> None:
    async with world.former():
        for number, text in enumerate("AB"):
            await world.publish(text, at=MORNING + number * timedelta(hours=1))
        await world.until_acknowledged(2)
    config = (await world.place.info()).config
    await world.place.jetstream.add_consumer(world.place.stream, config.evolve(max_deliver=3))
    with pytest.raises(Misconfigured, match=r"delete it, .*provision`, then run this again before"):
        await world.take_over()
    await world.place.jetstream.delete_consumer(world.place.stream, world.place.durable)
    await make(world)
    assert (await world.take_over()).rows_added == 2
    await world.work()
    assert await world.row_texts("r1") == ["A", "B"]


async def test_a_stream_of_our_own_says_where_to_take_over_first(world: HandedOver) -> None:
    shared, own = world.place.stream, f"{world.place.stream}_OWN"
    await world.place.jetstream.add_stream(name=own, sources=[StreamSource(name=shared)])
    settings = world.administered()
    settings = evolve(settings, nats=evolve(settings.nats, stream=own))
    try:
        for back in (False, True):
            with pytest.raises(TakeOverError, match=rf"nats\.stream={shared}.*--own-stream"):
                await carried_out(settings, TakeOverOptions(back=back), lambda _: None, HURRIED)
    finally:
        await world.place.jetstream.delete_stream(own)


async def test_without_its_database_nothing_is_changed(
    world: HandedOver, stack: EmbeddedStack
) -> None:
    await make(world, deliver_subject="_INBOX.x", ack_wait=1)
    before = await world.place.info()
    await stack.kill("postgres")
    try:
        with pytest.raises(Unavailable):
            await world.take_over()
    finally:
        await stack.start("postgres")
    assert await world.place.info() == before


async def make(world: HandedOver, **config: Any) -> None:
    """Makes a consumer as it is needed but for these differences."""
    needed: dict[str, Any] = {
        "durable_name": world.place.durable,
        "filter_subject": f"{world.place.family}.>",
        "max_ack_pending": 10_000,
        **config,
    }
    await world.place.jetstream.add_consumer(world.place.stream, ConsumerConfig(**needed))
