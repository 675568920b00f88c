"""Runs a plan of faults on real servers, and prints what became of every message."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from chaos.plan import FaultKind, plan_of
from chaos.report import Marks
from chaos.story import Story, run


def main() -> int:
    """The exit status: 0 if nothing was lost, twice or in clear, and every mark was reached."""
    arguments = _arguments()
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.ERROR)
    logging.getLogger("chaos").setLevel(logging.INFO)
    plan = plan_of(arguments.seed, arguments.faults)
    story = Story(arguments.seed, plan, arguments.messages, arguments.per_second)
    marks = Marks(arguments.messages, arguments.faults, kinds=min(arguments.faults, len(FaultKind)))
    with _folder(arguments.keep) as folder:
        report = asyncio.run(run(story, folder))
    _say([f"seed {arguments.seed}", "", *report.lines()])
    failures = list(report.failures(marks))
    _say(failures)
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the plan and of the messages")
    parser.add_argument("--messages", type=int, default=20_000, help="how many at least")
    parser.add_argument("--faults", type=int, default=45, help="how many")
    parser.add_argument("--per-second", type=int, default=100, help="how fast they are published")
    parser.add_argument("--keep", type=Path, help="a new folder for all logs and data, to look at")
    return parser.parse_args()


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """The one that is to be kept, or one that is gone afterwards."""
    if kept is not None:
        kept.mkdir(parents=True)
        yield kept
        return
    with TemporaryDirectory(prefix="snapshot-ingest-chaos-") as folder:
        yield Path(folder)


def _say(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
