"""Events on the real servers: one for each stored snapshot, and nothing of ours comes back."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
import pytest_asyncio
from nats.js.errors import NotFoundError

from snapshot_domain.errors import Misconfigured
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.stack import EmbeddedStack
from snapshot_nats import EventsStreamShape, StreamShape, ensure_events_stream, ensure_stream
from support.command import running
from support.messages import MORNING, device
from support.real_world import RealWorld, real_world
from support.waiting import until_true

_HOUR = timedelta(hours=1)
_SHAPE = EventsStreamShape(max_age=_HOUR, max_bytes=1_000_000)
_ON = "events.enabled=true"


@pytest_asyncio.fixture(loop_scope="session")
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with real_world(stack, tmp_path) as running_world:
        yield running_world
        await _delete_stream(running_world)


async def _provision(world: RealWorld) -> None:
    await ensure_events_stream(world.place.client, _SHAPE)


async def _delete_stream(world: RealWorld) -> None:
    try:
        await world.place.jetstream.delete_stream(_SHAPE.name)
    except NotFoundError:
        return


async def _events(world: RealWorld) -> list[tuple[str, str, dict[str, Any]]]:
    """Subject, message id and body of each event, in the order of the stream."""
    info = await world.place.jetstream.stream_info(_SHAPE.name)
    found: list[tuple[str, str, dict[str, Any]]] = []
    if not info.state.messages:
        return found
    for sequence in range(info.state.first_seq, info.state.last_seq + 1):
        message = await world.place.jetstream.get_msg(_SHAPE.name, sequence)
        assert message.data is not None
        assert message.headers is not None
        body = json.loads(message.data)
        found.append((str(message.subject), message.headers["Nats-Msg-Id"], body))
    return found


async def _until_published(world: RealWorld, count: int) -> None:
    async def are_there() -> bool:
        info = await world.place.jetstream.stream_info(_SHAPE.name)
        return info.state.messages >= count

    await until_true(are_there)


async def _until_stored(world: RealWorld, count: int) -> None:
    async def are_stored() -> bool:
        rows = await world.postgres.admin.fetchval("SELECT count(*) FROM router_config_snapshots")
        return int(rows) == count

    await until_true(are_stored)


async def test_each_stored_snapshot_is_an_event_and_nothing_of_ours_comes_back(
    world: RealWorld,
) -> None:
    await _provision(world)
    for hour, text in enumerate("AABA"):
        await world.publish(f"password={text}", at=MORNING + hour * _HOUR)
    await world.publish("password=Z", of="z1", owner="zeta")
    async with open_ingestion(world.settings(_ON)) as ingestion, ingestion.running():
        await _until_published(world, 4)
    runs = {
        str(run.snapshot_id): (of, run)
        for of in ("r1", "z1")
        for run in await world.postgres.runs(device(of))
    }
    events = await _events(world)
    assert sorted(message_id for _, message_id, _ in events) == sorted(runs)
    for subject, message_id, body in events:
        of, run = runs[message_id]
        assert subject == f"snapshot_ingest.stored.{run.tenant_id}.{device(of)}"
        assert (body["snapshot_id"], body["digest"]) == (message_id, run.digest)
        assert "password" not in json.dumps(body)
    of_r1 = [body for subject, _, body in events if subject.endswith(str(device("r1")))]
    assert [body["previous_id"] for body in of_r1] == [
        None,
        *(body["snapshot_id"] for body in of_r1[:-1]),
    ]
    # All that was ever delivered to us is what the poller published.
    info = await world.place.info()
    assert info.delivered is not None
    assert info.delivered.consumer_seq == 5
    assert await world.unsettled() == 0


async def test_without_events_nothing_is_published_and_nothing_is_kept_for_them(
    world: RealWorld,
) -> None:
    await _provision(world)
    await world.publish("A")
    async with open_ingestion(world.settings()) as ingestion, ingestion.running():
        await _until_stored(world, 1)
    assert await _events(world) == []
    assert await world.postgres.admin.fetch("SELECT FROM snapshot_ingest.positions") == []


async def test_events_survive_a_kill_between_commit_and_publishing(
    world: RealWorld, tmp_path: Path
) -> None:
    """No stream takes them yet when the first worker is killed: all are committed by then."""
    for hour in range(5):
        await world.publish(f"text {hour}", at=MORNING + hour * _HOUR)
    run = ("--config", world.config, "--set", _ON, "run")
    async with running(*run, folder=tmp_path) as worker:
        await _until_stored(world, 5)
        worker.signal(SIGKILL)
        await worker.ended()
    await _provision(world)
    # Its claim would run out by itself, a minute after it was made.
    await world.postgres.admin.execute("UPDATE snapshot_ingest.positions SET held_until = now()")
    async with running(*run, folder=tmp_path):
        await _until_published(world, 5)
    texts = await world.postgres.runs(device("r1"))
    assert [body["snapshot_id"] for _, _, body in await _events(world)] == [
        str(run.snapshot_id) for run in texts
    ]


async def test_a_stream_that_is_missing_holds_up_no_acknowledgement_and_loses_no_event(
    world: RealWorld,
) -> None:
    async with open_ingestion(world.settings(_ON)) as ingestion, ingestion.running():
        await world.publish("A")
        await _until_stored(world, 1)

        async def is_settled() -> bool:
            return not await world.unsettled()

        await until_true(is_settled)
        await _provision(world)
        await _until_published(world, 1)


async def test_with_keyed_digests_no_plain_one_is_published(world: RealWorld) -> None:
    """Not even of what was stored while they were plain."""
    await world.publish("A")
    async with open_ingestion(world.settings()) as ingestion, ingestion.running():
        await _until_stored(world, 1)
    await _provision(world)
    await world.publish("B", at=MORNING + _HOUR)
    settings = world.settings(_ON, "digest=keyed")
    async with open_ingestion(settings) as ingestion, ingestion.running():
        await _until_published(world, 2)
    (_, _, before), (_, _, since) = await _events(world)
    assert before["digest"] is None
    assert since["digest_key_id"] is not None
    runs = await world.postgres.runs(device("r1"))
    assert since["digest"] == runs[1].digest
    assert runs[0].digest not in json.dumps([before, since])


async def test_an_event_that_is_published_again_is_there_once(world: RealWorld) -> None:
    await _provision(world)
    await world.publish("A")
    for _ in range(2):
        async with open_ingestion(world.settings(_ON)) as ingestion, ingestion.running():
            await _until_published(world, 1)
        await world.postgres.admin.execute("UPDATE snapshot_ingest.positions SET transaction = '0'")
    assert len(await _events(world)) == 1


async def test_the_stream_of_events_is_made_once_and_never_altered(world: RealWorld) -> None:
    await _provision(world)
    larger = EventsStreamShape(max_age=2 * _HOUR, max_bytes=2_000_000)
    await ensure_events_stream(world.place.client, larger)
    config = (await world.place.jetstream.stream_info(_SHAPE.name)).config
    assert config.subjects == ["snapshot_ingest.stored.>"]
    assert config.max_bytes == 1_000_000


async def test_a_stream_that_takes_other_messages_is_not_taken_for_that_of_events(
    world: RealWorld,
) -> None:
    await ensure_stream(world.place.client, StreamShape(_SHAPE.name, ("other.>",)))
    with pytest.raises(Misconfigured, match=r"events\.stream"):
        await _provision(world)
