"""A worker's memory is bounded by its budget, and not by the backlog or by one message."""

import asyncio
from pathlib import Path

import pytest

from footprint.backlog import Kind, publish
from footprint.measuring import MIB, Load, footprint_of
from snapshot_ingest.stack import EmbeddedStack
from support.command import running
from support.http import metric
from support.nats_server import own_nats_server
from support.nats_users import SHIPPED_USERS
from support.real_world import real_world

_AIM_BYTES = 200_000_000
_WITHIN_SECONDS = 180


@pytest.mark.parametrize(
    "load",
    [Load(100, MIB), Load(10, 8 * MIB), Load(5, 8 * MIB, kind=Kind.MALFORMED)],
    ids=["of 1 MiB", "of 8 MiB", "malformed, of 8 MiB"],
)
async def test_a_backlog_of_large_messages_takes_less_than_the_aim(
    stack: EmbeddedStack, tmp_path: Path, load: Load
) -> None:
    footprint = await footprint_of(load, stack, tmp_path, within_seconds=_WITHIN_SECONDS)
    assert footprint.kept == load.messages
    assert footprint.peak_bytes < _AIM_BYTES
    assert footprint.end_bytes < footprint.idle_bytes + 3 * load.body_bytes + 16 * MIB


async def test_a_message_over_the_whole_budget_is_handled_alone(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    messages, body_bytes = 5, 4 * MIB
    extra = f"{SHIPPED_USERS}max_payload: {2 * body_bytes}"
    in_flight = set()
    async with (
        own_nats_server(tmp_path, extra) as nats,
        real_world(stack, tmp_path, nats=nats.access) as world,
    ):
        await publish(world, messages, body_bytes)
        small = ("--set", f"worker.max_in_flight_bytes={MIB}", "--set", f"worker.batch_bytes={MIB}")
        async with (
            asyncio.timeout(_WITHIN_SECONDS),
            running("--config", world.config, *small, "run", folder=tmp_path) as worker,
        ):
            url = await worker.worker_url()
            while await world.unsettled():
                in_flight.add(await metric(url, "snapshot_ingest_in_flight_messages"))
        stored = await world.postgres.admin.fetchval(
            "SELECT count(*) FROM snapshot_ingest.snapshots"
        )
    assert stored == messages
    assert max(in_flight) == 1
