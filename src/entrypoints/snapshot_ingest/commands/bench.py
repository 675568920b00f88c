"""`snapshot-ingest bench`: the pipeline beside what people would write, measured in one run."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from snapshot_ingest.bench.ground import Ground
from snapshot_ingest.bench.options import BenchOptions
from snapshot_ingest.bench.plan import stages
from snapshot_ingest.bench.progress import BenchProgress
from snapshot_ingest.bench.report import report
from snapshot_ingest.bench.results import Results
from snapshot_ingest.bench.running import Sizing
from snapshot_ingest.bench.stages import Bench
from snapshot_ingest.bench.tables import tables
from snapshot_ingest.bench.verdict import REFERENCE, reasons_to_void
from snapshot_ingest.bench.world import Servers, opened_world
from snapshot_ingest.embedded.own_servers import refuse_other_servers
from snapshot_ingest.signals import first_of, stop_signals

_WIDE_ENOUGH = 140


async def bench(options: BenchOptions, overrides: Sequence[str]) -> bool:
    """Measures all that is asked for, and prints it. Whether it counts: see `verdict`."""
    refuse_other_servers(overrides)
    console = Console(stderr=True)
    servers = Servers(audited=not options.bare, encrypted=not options.bare)
    results = Results()
    with stop_signals() as stopping, _directory() as directory:
        measuring = asyncio.create_task(
            _measure(options, servers, overrides, directory, console, results)
        )
        try:
            await first_of(stopping, measuring)
        finally:
            measuring.cancel()
            await asyncio.wait([measuring])
            # Also of a run that went wrong in its last stage: what it saw took an hour.
            if results.groups:
                _write_json(options.json, report(options, servers, results))
        if measuring.cancelled():
            raise asyncio.CancelledError
    _draw(options, results)
    _print(options, servers, results)
    return not reasons_to_void(results)


async def _measure(
    options: BenchOptions,
    servers: Servers,
    overrides: Sequence[str],
    directory: Path,
    console: Console,
    results: Results,
) -> None:
    all_stages = stages(options, servers, overrides)
    runs = sum(stage.runs_a_round for stage in all_stages) * options.rounds
    with BenchProgress(console, runs) as progress:
        progress.say(f"starting nats-server, PostgreSQL and OpenBao: {servers.name}")
        async with opened_world(directory / "stack", servers, overrides) as world:
            ground = Ground(world, Sizing(options.seconds), options.texts)
            at_hand = Bench(ground, options.rounds, progress, results)
            for stage in all_stages:
                await stage.run(at_hand)
    results.is_complete = True


@contextmanager
def _directory() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="snapshot-ingest-"))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _write_json(path: Path | None, content: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _draw(options: BenchOptions, results: Results) -> None:
    if options.plot is not None:
        from snapshot_ingest.bench.plot import draw  # noqa: PLC0415 - matplotlib may be missing

        draw(results, options.cases, options.plot)


def _print(options: BenchOptions, servers: Servers, results: Results) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDE_ENOUGH)
    console.print(
        f"the embedded servers, {servers.name}; medians of {options.rounds} rounds, contenders in "
        "turn: only ratios are claimed",
        soft_wrap=True,
    )
    for line in options.remarks:
        console.print(line, soft_wrap=True)
    for table in tables(options, results):
        console.print()
        console.print(table)
    console.print(f"\nreference of the baseline: {REFERENCE}", soft_wrap=True)
    for reason in reasons_to_void(results):
        console.print(f"this run is void: {reason}", soft_wrap=True, markup=False)
