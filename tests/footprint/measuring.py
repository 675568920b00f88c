"""Runs one worker process over a backlog, and asks the kernel how much memory it took."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from signal import SIGTERM
from time import monotonic

from attrs import frozen

from footprint.backlog import Kind, publish
from snapshot_ingest.stack import EmbeddedStack
from support.command import running
from support.nats_server import own_nats_server
from support.nats_users import SHIPPED_USERS
from support.proc import peak_resident_bytes, resident_bytes
from support.real_world import RealWorld, real_world
from support.waiting import until_true

MIB = 1024 * 1024

_ROOM_BYTES = 256 * 1024
_COUNT = (
    "SELECT (SELECT count(*) FROM snapshot_ingest.snapshots)"
    " + (SELECT count(*) FROM snapshot_ingest.quarantine)"
)


@frozen
class Load:
    """A backlog, and the worker's budget; None is the default."""

    messages: int
    body_bytes: int
    budget_bytes: int | None = None
    kind: Kind = Kind.CHANGED

    @property
    def settings(self) -> Sequence[str]:
        """The overrides of the worker's settings."""
        if self.budget_bytes is None:
            return []
        return [f"worker.max_in_flight_bytes={self.budget_bytes}"]


@frozen
class Footprint:
    """What a worker took for its load. `kept` are the stored and the quarantined messages."""

    load: Load
    budget_bytes: int
    idle_bytes: int
    peak_bytes: int
    end_bytes: int
    took: timedelta
    kept: int


async def footprint_of(
    load: Load, stack: EmbeddedStack, folder: Path, *, within_seconds: float
) -> Footprint:
    """Publishes the backlog, runs a worker until it is settled, and says what it took.

    The NATS server is one of its own, which takes messages of that size. Raises TimeoutError.
    """
    max_payload = load.body_bytes + _ROOM_BYTES
    extra = f"{SHIPPED_USERS}max_payload: {max_payload}\nmax_pending: {16 * max_payload}\n"
    async with (
        own_nats_server(folder, extra) as nats,
        real_world(stack, folder, nats=nats.access) as world,
    ):
        idle_bytes = await _idle_bytes(world, folder)
        await publish(world, load.messages, load.body_bytes, load.kind)
        return await _ingest(load, world, folder, idle_bytes, within_seconds)


async def _idle_bytes(world: RealWorld, folder: Path) -> int:
    async with running("--config", world.config, "run", folder=folder) as worker:
        await worker.worker_url()
        return resident_bytes(worker.pid)


async def _ingest(
    load: Load, world: RealWorld, folder: Path, idle_bytes: int, within_seconds: float
) -> Footprint:
    overrides = [word for setting in load.settings for word in ("--set", setting)]
    began = monotonic()
    async with running("--config", world.config, *overrides, "run", folder=folder) as worker:
        await worker.worker_url()

        async def is_settled() -> bool:
            return await world.unsettled() == 0

        await until_true(is_settled, seconds=within_seconds)
        footprint = Footprint(
            load=load,
            budget_bytes=world.settings(*load.settings).worker.max_in_flight_bytes,
            idle_bytes=idle_bytes,
            peak_bytes=peak_resident_bytes(worker.pid),
            end_bytes=resident_bytes(worker.pid),
            took=timedelta(seconds=monotonic() - began),
            kept=await world.postgres.admin.fetchval(_COUNT),
        )
        worker.signal(SIGTERM)
        await worker.ended()
    return footprint
