"""One contender on one load: started, warmed, and then measured."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import frozen

from snapshot_ingest.bench.case import Case, Contender
from snapshot_ingest.bench.contenders.access import Access
from snapshot_ingest.bench.cpu import cpu_of_each, resident_mib
from snapshot_ingest.bench.load import Load
from snapshot_ingest.bench.world import World

_READY_SECONDS = 60.0
_END_SECONDS = 30.0
_SAMPLE_SECONDS = 0.1
_WARM_MESSAGES = 100


@frozen
class Figures:
    """What one run was seen to take. Processor times are microseconds a message, by process."""

    case: Case
    contender: Contender
    messages: int
    seconds: float
    cpu_us: dict[str, float]
    peak_mib: float
    warming_seconds: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cpu_us_of_all(self) -> float:
        """All processes together."""
        return sum(self.cpu_us.values())

    @property
    def cores_used(self) -> float:
        """How many processors were busy, on average."""
        return self.rate * self.cpu_us_of_all / 1e6


async def measured(
    world: World, load: Load, contender: Contender, access: Access, messages: int
) -> Figures:
    """Runs it once. Raises `BenchError` unless what it stored is what it was given."""
    warm = _WARM_MESSAGES if contender in _SLOW else max(_WARM_MESSAGES * 10, load.case.tenants)
    async with _started(contender, access) as pid:
        began = time.monotonic()
        await world.publish(load, 0, warm)
        warming = await world.settled(access.consumer) - began
        await world.pause(access.consumer)
        await world.publish(load, warm, messages)
        addresses = world.ready.addresses.pids
        pids = {
            "worker": pid,
            "OpenBao": addresses.openbao,
            "PostgreSQL": addresses.postgres,
            "NATS": addresses.nats,
        }
        sampling = asyncio.create_task(_peak_mib(pid))
        before = cpu_of_each(pids)
        began = time.monotonic()
        await world.resume(access.consumer, messages)
        ended = await world.settled(access.consumer)
        after = cpu_of_each(pids)
        sampling.cancel()
        await asyncio.wait([sampling])
    return Figures(
        case=load.case,
        contender=contender,
        messages=messages,
        seconds=ended - began,
        cpu_us={name: (after[name] - before[name]) / messages * 1e6 for name in pids},
        peak_mib=sampling.result(),
        warming_seconds=warming,
    )


_SLOW = (Contender.BASELINE, Contender.FRAMEWORK)


async def _peak_mib(pid: int) -> float:
    peak = 0.0
    try:
        while True:
            peak = max(peak, resident_mib(pid))
            await asyncio.sleep(_SAMPLE_SECONDS)
    except asyncio.CancelledError:
        return peak


@asynccontextmanager
async def _started(contender: Contender, access: Access) -> AsyncIterator[int]:
    """The contender's process, ready, while the block lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "snapshot_ingest.bench.contenders",
        contender.value,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(access.encode().encode())
        async with asyncio.timeout(_READY_SECONDS):
            await process.stdout.readline()
        yield process.pid
        process.stdin.close()
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
