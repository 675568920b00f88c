"""Soaks a worker process for some minutes, prints what it took over that time, and a verdict."""

import argparse
import asyncio
import logging
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import median

from snapshot_ingest.stack import EmbeddedStack
from soak.flatness import Course
from soak.sampling import FIGURES, Figure, Sample
from soak.soaking import Plan, Soaked, soak
from support.nats_users import STACK_USERS

_WARM_UP_SHARE = 0.25
_WARM_UP_AT_LEAST = timedelta(minutes=2)


def main() -> int:
    """The exit status: 0 if every figure is flat, and the worker stopped in order."""
    minutes = timedelta(minutes=_arguments().minutes)
    plan = Plan(lasts=minutes, warm_up=max(minutes * _WARM_UP_SHARE, _WARM_UP_AT_LEAST))
    # Our own publisher would tell of every fault; the worker's log is a file of its own.
    logging.getLogger("snapshot_nats").setLevel(logging.ERROR)
    soaked = asyncio.run(_soak(plan))
    sys.stdout.writelines(f"{line}\n" for line in lines_of(soaked))
    return 0 if is_flat(soaked.samples) and soaked.exit_code == 0 else 1


async def _soak(plan: Plan) -> Soaked:
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedStack(Path(folder) / "stack", nats_users=STACK_USERS) as stack:
            return await soak(plan, stack, Path(folder))


def is_flat(samples: Sequence[Sample]) -> bool:
    """Whether every figure of the samples is flat, and below its bound."""
    return all(_is_flat(figure, _course(figure, samples)) for figure in FIGURES)


def _is_flat(figure: Figure, course: Course) -> bool:
    return course.is_flat(figure.allowance) and course.highest <= figure.at_most


def _course(figure: Figure, samples: Sequence[Sample]) -> Course:
    return Course.of([figure.of(sample) for sample in samples])


def lines_of(soaked: Soaked) -> Iterator[str]:
    """The load, the faults, a row for each figure, and the verdict."""
    load = ", ".join(f"{count:,} {kind}" for kind, count in soaked.acknowledged.most_common())
    yield f"published: {load}; {soaked.unanswered:,} without an answer"
    yield f"faults: {', '.join(f'{name} {count}' for name, count in soaked.faults.items())}"
    if soaked.recoveries:
        middle, worst = median(soaked.recoveries), max(soaked.recoveries)
        yield f"ready again after {middle:.1f} s in the median, {worst:.1f} s at worst"
    yield f"{len(soaked.samples)} samples; exit code of the worker: {soaked.exit_code}"
    yield f"{'':22} |  start | middle |    end | may rise by | highest | bound | verdict"
    for figure in FIGURES:
        course = _course(figure, soaked.samples)
        verdict = "flat" if _is_flat(figure, course) else "GROWS"
        bound = "" if math.isinf(figure.at_most) else f"{figure.at_most:.0f}"
        yield (
            f"{figure.name:22} | {course.start:6.0f} | {course.middle:6.0f} | {course.end:6.0f} "
            f"| {figure.allowance:11.0f} | {course.highest:7.0f} | {bound:>5} | {verdict}"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="beside the warm-up")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
