"""Measures the memory of a worker under a backlog of large configurations, and prints a table."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve

from footprint.backlog import Kind
from footprint.measuring import MIB, Footprint, Load, footprint_of
from snapshot_ingest.stack import EmbeddedStack

AIM_BYTES = 200_000_000

_SECONDS_AT_MOST = 1_800.0
_LOADS = ("2000x1", "200x8", "100x8:malformed")
_HEADER = "     kind |   size | messages |  budget |    idle |    peak |  at end |  time"


def main() -> int:
    """The exit status: 0 if each peak is below the aim, and nothing was lost."""
    arguments = _arguments()
    budget_bytes = arguments.budget and int(arguments.budget * MIB)
    loads = [evolve(load, budget_bytes=budget_bytes) for load in arguments.loads]
    return asyncio.run(_measure(loads))


async def _measure(loads: Sequence[Load]) -> int:
    worst = 0
    _say(_HEADER)
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedStack(Path(folder) / "stack") as stack:
            for number, load in enumerate(loads):
                own = Path(folder) / str(number)
                own.mkdir()
                footprint = await footprint_of(load, stack, own, within_seconds=_SECONDS_AT_MOST)
                _say(line_of(footprint))
                worst = max(worst, footprint.peak_bytes)
                if footprint.kept != load.messages:
                    _say(f"only {footprint.kept} messages are stored or in the quarantine")
                    return 1
    _say(f"the worst peak is {worst / 1e6:.0f} MB; the aim is less than {AIM_BYTES / 1e6:.0f} MB")
    return 0 if worst < AIM_BYTES else 1


def line_of(footprint: Footprint) -> str:
    """A row of the table; sizes in MiB, the time in seconds."""
    load = footprint.load
    budget, idle, peak, end = (
        f"{size / MIB:7.0f}"
        for size in (
            footprint.budget_bytes,
            footprint.idle_bytes,
            footprint.peak_bytes,
            footprint.end_bytes,
        )
    )
    took = f"{footprint.took.total_seconds():5.0f}"
    first = f"{load.kind:>9} | {load.body_bytes / MIB:6.1f} | {load.messages:8}"
    return f"{first} | {budget} | {idle} | {peak} | {end} | {took}"


def load_of(text: str) -> Load:
    """The load behind `200x8` or `200x8:malformed`."""
    size, _, kind = text.partition(":")
    messages, _, mebibytes = size.partition("x")
    return Load(int(messages), int(float(mebibytes) * MIB), kind=Kind(kind or Kind.CHANGED))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m footprint", description=__doc__)
    parser.add_argument(
        "loads",
        nargs="*",
        type=load_of,
        default=list(map(load_of, _LOADS)),
        help="messages x MiB: kind, such as 2000x1 or 200x8:malformed",
    )
    parser.add_argument("--budget", type=float, help="worker.max_in_flight_bytes, in MiB")
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
