"""Runs a number of inputs, says what they came to, and how to see a failed one again."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from fuzz.guided import is_installed, run_guided
from fuzz.inspection import inspected
from fuzz.policies import POLICIES
from fuzz.run import BATCH, Failure, Report, report_on
from snapshot_domain.outcome import MalformedReason

_SLICE = 32 * BATCH

_ENOUGH = 20_000
"""From so many inputs on every outcome must have been seen."""

NAMES = (
    *(f"Malformed ({reason})" for reason in MalformedReason),
    *("Stored", "Unchanged", "Orphaned", "DigestMismatched", "TenantKeyMissing"),
)
"""What inputs can come to. What a long run never saw, it proves nothing of."""


def main() -> int:
    """The exit status: 0 if no rule was broken, and every outcome was seen."""
    arguments = _arguments()
    if arguments.replay_file is not None:
        return _replay_file(arguments.replay_file)
    began = time.monotonic()
    indexes = range(arguments.first, arguments.first + arguments.inputs)
    try:
        report = report_in_parallel(arguments.seed, indexes, arguments.jobs)
    except BrokenProcessPool:
        _say(["an input ended its process; with fewer --inputs from another --first find which"])
        return 1
    seconds = time.monotonic() - began
    _say(lines_of(report))
    _say(lines_of_failures(report.failures, arguments.folder))
    _say(
        [
            f"{report.inputs:,} inputs of seed {arguments.seed}, {len(report.failures)} failed, "
            f"{seconds:.0f} s, {report.inputs / seconds:,.0f} a second"
        ]
    )
    if report.failures or unseen(report):
        return 1
    if arguments.guided and is_installed():
        _say([f"and {arguments.guided:,} more, led by atheris to new paths"])
        run_guided(arguments.seed, arguments.guided, arguments.folder)
    return 0


def report_in_parallel(seed: int, indexes: range, jobs: int) -> Report:
    """What the inputs came to, shared out among processes."""
    slices = [
        range(first, min(first + _SLICE, indexes.stop))
        for first in range(indexes.start, indexes.stop, _SLICE)
    ]
    whole = Report()
    if jobs == 1:
        for each in slices:
            whole.add(report_on(seed, each))
        return whole
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for part in pool.map(partial(report_on, seed), slices):
            whole.add(part)
    return whole


def unseen(report: Report) -> list[str]:
    """The outcomes that no input came to, although there were inputs enough."""
    if report.inputs < _ENOUGH:
        return []
    return [name for name in NAMES if not report.counts[name]]


def lines_of(report: Report) -> Iterator[str]:
    """How many inputs came to what."""
    for name in sorted(report.counts, key=lambda name: -report.counts[name]):
        yield f"{report.counts[name]:9,}  {name}"
    for name in unseen(report):
        yield f"never seen: {name}"


def lines_of_failures(failures: Iterable[Failure], folder: Path) -> Iterator[str]:
    """The rules that were broken, and the files that hold the inputs now, as hex."""
    for failure in failures:
        folder.mkdir(parents=True, exist_ok=True)
        first, seed = failure.indexes.start, failure.seed
        path = folder / f"seed-{seed}-input-{first}.hex"
        path.write_text("".join(f"{body.hex()}\n" for body in failure.bodies), "ascii")
        which = f"input {first}" if len(failure.indexes) == 1 else f"the batch from input {first}"
        yield f"broken by {which} of seed {seed}: {failure.rule}"
        yield f"    see it again with --seed {seed} --first {first} --inputs {len(failure.indexes)}"
        yield f"    or with --replay-file {path}"


def _replay_file(path: Path) -> int:
    bodies = [bytes.fromhex(line) for line in path.read_text("ascii").splitlines()]
    broken = 0
    for policy in POLICIES:
        result = asyncio.run(inspected(bodies, policy))
        broken += len(result.violations)
        _say([f"{policy.hash_policy}, {policy.on_rejected}: {dict(result.counts)}"])
        _say(f"    broken: {violation.rule}" for violation in result.violations)
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="how many to run")
    parser.add_argument("--seed", type=int, default=0, help="what they are drawn from")
    parser.add_argument("--first", type=int, default=0, help="the index of the first")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--replay-file", type=Path, help="run the inputs in this file alone")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "snapshot-ingest-fuzz",
        help="where inputs that failed are left",
    )
    parser.add_argument(
        "--guided", type=int, default=10_000, help="how many more if atheris is installed"
    )
    return parser.parse_args()


def _say(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
