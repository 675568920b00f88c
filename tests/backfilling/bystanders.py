"""Who works beside a backfill, and what it holds: latencies and locks, as they are seen."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from uuid import UUID, uuid4

from attrs import define, field

from snapshot_conformance.repository_world import digest_of
from snapshot_domain.model import Ciphertext, DeviceId, EncryptedSnapshot, SnapshotKey, TenantId
from support.backend_database import BackendWorld, transit_text

_BATCH = 20
_PAUSE_SECONDS = 0.1
_LOOK_SECONDS = 0.2

_LOCKS = """
    SELECT DISTINCT relation::regclass::text AS relation, mode
    FROM pg_locks JOIN pg_class AS c ON c.oid = relation
    WHERE granted AND locktype = 'relation' AND c.relkind = 'r'
        AND c.relnamespace <> 'pg_catalog'::regnamespace
        AND pid IN (SELECT pid FROM pg_stat_activity WHERE usename = $1)
"""


@define
class Bystanders:
    """What they saw: seconds for each batch that a worker stored, and for each row of others."""

    batches: list[float] = field(factory=list)
    rows: list[float] = field(factory=list)
    locks: set[tuple[str, str]] = field(factory=set)


@asynccontextmanager
async def at_work(
    world: BackendWorld, devices: Sequence[UUID], owner: UUID
) -> AsyncIterator[Bystanders]:
    """A worker, the former subscriber and somebody who looks at locks, while the block runs.

    Both write to the devices in turn.
    """
    seen = Bystanders()
    tasks = [
        asyncio.create_task(_store(world, devices, owner, seen.batches)),
        asyncio.create_task(_write(world, devices, owner, seen.rows)),
        asyncio.create_task(_look(world, seen.locks)),
    ]
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if not isinstance(end, asyncio.CancelledError) and isinstance(end, BaseException):
            raise end


async def _store(
    world: BackendWorld, devices: Sequence[UUID], owner: UUID, took: list[float]
) -> None:
    for sequence in count(1):
        first = sequence * _BATCH
        batch = [
            EncryptedSnapshot(
                SnapshotKey(
                    DeviceId(devices[(first + place) % len(devices)]),
                    TenantId(owner),
                    datetime.now(UTC),
                    sequence,
                    digest_of(str(first + place)),
                ),
                Ciphertext(transit_text("x" * 2048)),
                2048,
            )
            for place in range(_BATCH)
        ]
        began = time.monotonic()
        await world.repository.store(batch)
        took.append(time.monotonic() - began)
        await asyncio.sleep(_PAUSE_SECONDS)


async def _write(
    world: BackendWorld, devices: Sequence[UUID], owner: UUID, took: list[float]
) -> None:
    for number in count(1):
        began = time.monotonic()
        await world.admin.execute(
            "INSERT INTO router_config_snapshots"
            " (id, device_id, tenant_id, config_text, sha256_hash) VALUES ($1, $2, $3, $4, $5)",
            uuid4(),
            devices[number % len(devices)],
            owner,
            transit_text("x" * 2048),
            digest_of(str(number)).hex,
        )
        took.append(time.monotonic() - began)
        await asyncio.sleep(_PAUSE_SECONDS)


async def _look(world: BackendWorld, locks: set[tuple[str, str]]) -> None:
    while True:
        locks |= {tuple(row) for row in await world.admin.fetch(_LOCKS, world.owner)}
        await asyncio.sleep(_LOOK_SECONDS)
