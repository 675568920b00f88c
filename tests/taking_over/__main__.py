"""Takes over from the former subscriber while snapshots are published, and prints figures."""

import argparse
import asyncio
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from snapshot_ingest.stack import EmbeddedStack
from support.handing_over import handed_over
from support.nats_users import STACK_USERS
from taking_over.story import Figures, taken_over


async def _run(asked: argparse.Namespace) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            EmbeddedStack(Path(folder) / "stack", nats_users=STACK_USERS) as stack,
            handed_over(stack, Path(folder)) as world,
        ):
            return await taken_over(
                world,
                devices=asked.devices,
                rate=asked.rate,
                turn=timedelta(seconds=asked.turn),
                ack_wait_seconds=None,  # the server's own: 30
                orderly=asked.orderly,
            )


def main() -> int:
    """The exit status: 0 if nothing was lost, and nothing stored twice."""
    parser = argparse.ArgumentParser(prog="python -m taking_over", description=__doc__)
    parser.add_argument("--devices", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=100.0, help="snapshots a second")
    parser.add_argument("--turn", type=float, default=20.0, help="seconds that each of them works")
    parser.add_argument("--orderly", action="store_true", help="the former one is not killed")
    figures = asyncio.run(_run(parser.parse_args()))
    sys.stdout.write("\n".join(figures.lines()) + "\n")
    return 1 if figures.lost or figures.twice else 0


if __name__ == "__main__":
    sys.exit(main())
