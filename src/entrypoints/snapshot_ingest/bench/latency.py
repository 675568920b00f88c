"""From publication to commit, while messages come at a steady rate."""

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from attrs import field, frozen

from snapshot_ingest.bench.case import Case, Cell, Contender
from snapshot_ingest.bench.errors import BenchError
from snapshot_ingest.bench.figures import LatencyFigures, LatencyMeasured
from snapshot_ingest.bench.ground import Ground
from snapshot_ingest.bench.measuring import in_turn, messages_for
from snapshot_ingest.bench.running import Run, running, warm_messages
from snapshot_ingest.bench.stages import Bench

_SHARE_OF_TOP_RATE = 0.5
_TIMES_AS_LONG = 2.0
_PAUSE_SECONDS = 0.001


@frozen
class LatencyStage:
    """Each contender at half of its own top rate; and the one-row contender at that of ours."""

    case: Case
    contenders: Sequence[Contender]
    against_one_row: Sequence[Contender] = field(default=())

    @property
    def runs_a_round(self) -> int:
        """See Stage."""
        return len(self._cells)

    async def run(self, bench: Bench) -> None:
        """See Stage."""
        rates = {cell: _half_of_top(bench, like) for cell, like in self._cells.items()}
        runs = await in_turn(
            {
                cell: partial(measured_latency, bench.ground, cell, rate)
                for cell, rate in rates.items()
            },
            bench.rounds,
            bench.watcher,
            named=lambda cell: f"{cell.case.name} · {cell.name}, latency at {rates[cell]:,.0f}/s",
            said=lambda figures: f"p99 {figures.p99_ms:.1f} ms",
        )
        bench.results.latencies += [
            LatencyMeasured(cell, rates[cell], each) for cell, each in runs.items()
        ]

    @property
    def _cells(self) -> dict[Cell, Cell]:
        """For each cell the one whose top rate counts."""
        own = [Cell(self.case, each) for each in self.contenders]
        return {cell: cell for cell in own} | {
            one_row_like(Cell(self.case, each)): Cell(self.case, each)
            for each in self.against_one_row
        }


def one_row_like(cell: Cell) -> Cell:
    """The one-row contender at the rate of this cell."""
    return Cell(cell.case, Contender.ONE_ROW, remark=f"as many as {cell.contender.value}")


async def measured_latency(ground: Ground, cell: Cell, rate: float) -> LatencyFigures:
    """One run at so many messages a second."""
    load = await ground.load(cell.case)
    await ground.world.empty(load)
    count = messages_for(rate, ground.sizing.seconds * _TIMES_AS_LONG, cell.case.size_bytes)
    with tempfile.NamedTemporaryFile(prefix="latencies", suffix=".json") as file:
        path = Path(file.name)
        access = await ground.world.access(cell, latencies_file=path)
        async with running(ground.world, load, cell, access) as run:
            await run.stretch(warm_messages(cell))
            warm = run.next_number
            behind = await _publish_on_schedule(run, rate, count)
        seconds = _read(path)
    changed = load.changes(warm, count)
    if len(seconds) < changed or changed < 2:
        raise BenchError(f"{len(seconds)} latencies were taken", expected=f"{changed}")
    return LatencyFigures.of(seconds[-changed:], behind)


def _read(path: Path) -> Sequence[float]:
    seconds: list[float] = json.loads(path.read_text("ascii"))
    return seconds


async def _publish_on_schedule(run: Run, rate: float, count: int) -> float:
    """Publishes each message when it is due; returns how long the last ones took."""
    client, first = run.world.client, run.next_number
    run.next_number += count
    began = time.monotonic()
    done = 0
    while done < count:
        due = min(count, int((time.monotonic() - began) * rate) + 1)
        for number in range(first + done, first + due):
            subject, body = run.load.message(number, datetime.now(UTC))
            await client.publish(subject, body.reveal())
        done = due
        await asyncio.sleep(_PAUSE_SECONDS)
    await client.flush()
    ended = time.monotonic()
    return await run.world.settled(run.access.consumer, run.look) - ended


def _half_of_top(bench: Bench, cell: Cell) -> float:
    top = bench.results.rate_of(cell)
    if top is None:
        raise BenchError(f"{cell.name} has no top rate yet")
    return top * _SHARE_OF_TOP_RATE
