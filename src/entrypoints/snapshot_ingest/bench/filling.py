"""Fills a world with many devices, without ingesting a message of each."""

import random
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from snapshot_domain.model import DeviceId, TenantId
from snapshot_ingest.bench.load import Sample
from snapshot_ingest.bench.world import World
from snapshot_ingest.simulator.fleet import Fleet, SimulatedDevice

SNAPSHOTS_A_DEVICE = 3
_TEXT = "vault:v1:" + "A" * 200
_AT_ONCE = 50_000
_SECONDS = 600
_SEED = 1
_NAME_MARK = "-- name: "


async def fill(world: World, devices: int, say: Callable[[str], None]) -> TenantId:
    """Gives one tenant so many devices, each with snapshots and a head. The tenant."""
    (tenant,) = Fleet(_SEED, 1, 1).tenants()
    await world.register([tenant], [])
    for first in range(0, devices, _AT_ONCE):
        say(f"filling {first:,} of {devices:,} devices")
        last = min(first + _AT_ONCE, devices) - 1
        await _run(world, "devices", tenant.tenant_id, _TEXT, first, last, SNAPSHOTS_A_DEVICE)
    await _tidy(world)
    return tenant.tenant_id


async def fill_heads(
    world: World, tenant_id: TenantId, first: int, heads: int, say: Callable[[str], None]
) -> None:
    """Goes on from so many devices to more, which have a head and nothing else."""
    for start in range(first, heads, _AT_ONCE):
        say(f"filling {start:,} of {heads:,} heads")
        await _run(world, "heads", tenant_id, start, min(start + _AT_ONCE, heads) - 1)
    await _tidy(world)


async def sample(world: World, tenant_id: TenantId, at_most: int) -> Sample:
    """Some of the devices, in no order."""
    rows = await world.admin.fetch(
        "SELECT id FROM public.devices ORDER BY random() LIMIT $1", at_most, timeout=_SECONDS
    )
    devices = [
        SimulatedDevice(number, DeviceId(row["id"]), tenant_id, "router", "192.0.2.1")
        for number, row in enumerate(rows)
    ]
    random.Random(_SEED).shuffle(devices)
    return Sample(devices)


async def _run(world: World, name: str, *arguments: object) -> None:
    async with world.admin.acquire(timeout=10) as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")  # no triggers
        await connection.execute(_statements()[name], *arguments, timeout=_SECONDS)


async def _tidy(world: World) -> None:
    """As a database is that has been at work for long: the first run must not do it."""
    await world.admin.execute("VACUUM (ANALYZE)", timeout=_SECONDS)
    await world.admin.execute("CHECKPOINT", timeout=_SECONDS)


@cache
def _statements() -> Mapping[str, str]:
    parts = (files(__package__) / "filling.sql").read_text("utf-8").split(_NAME_MARK)[1:]
    return {part.partition("\n")[0].strip(): part.partition("\n")[2] for part in parts}
