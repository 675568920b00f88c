"""A consumer that an operator edits while a worker is bound to it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from snapshot_conformance.message_source import fetch_count
from snapshot_domain.errors import Misconfigured
from snapshot_memory import MemoryAckFloors
from support.consumers import look
from support.nats_server import OwnNatsServer, Place, own_nats_server, place_on

PLENTY_BYTES = 1_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnNatsServer]:
    async with own_nats_server(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def place(server: OwnNatsServer) -> AsyncIterator[Place]:
    async with place_on(server.access) as made:
        yield made


async def edit(place: Place, **options: Any) -> bytes:
    """Edits it as `nats consumer edit` does; returns the server's answer."""
    config = place.needs().config(place.durable).as_dict() | options
    answer = await place.client.request(
        f"$JS.API.CONSUMER.DURABLE.CREATE.{place.stream}.{place.durable}",
        json.dumps({"stream_name": place.stream, "config": config}).encode(),
        timeout=5,
    )
    return answer.data


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("max_deliver", 5, "max_deliver is 5"),
        ("filter_subject", "elsewhere.>", "filter is elsewhere"),
        ("ack_wait", 2_000_000_000, "ack_wait is 2 s"),
        ("max_ack_pending", 7, "max_ack_pending is 7"),
        ("headers_only", True, "headers_only is set"),
    ],
)
async def test_the_next_look_at_the_floor_notices_it_and_fetching_stops_until_it_is_mended(
    place: Place, option: str, value: object, words: str
) -> None:
    source = place.source(floors=MemoryAckFloors())
    await source.check()
    if option == "filter_subject":
        config = (await place.jetstream.stream_info(place.stream)).config
        await place.jetstream.update_stream(
            config.evolve(subjects=[*(config.subjects or []), "elsewhere.>"])
        )
    assert b'"error"' not in await edit(place, **{option: value})
    with pytest.raises(Misconfigured, match=words):
        await look(source)
    for _ in range(2):
        with pytest.raises(Misconfigured, match=words):
            await source.fetch(1, PLENTY_BYTES)
    assert b'"error"' not in await edit(place)
    await source.check()
    await place.publish(b"x")
    assert len(await fetch_count(source, 1)) == 1


@pytest.mark.parametrize(("option", "value"), [("ack_policy", "all"), ("deliver_policy", "new")])
async def test_its_ack_policy_and_its_start_cannot_be_edited(
    place: Place, option: str, value: str
) -> None:
    assert b'"error"' in await edit(place, **{option: value})
    await place.source(floors=MemoryAckFloors()).check()
