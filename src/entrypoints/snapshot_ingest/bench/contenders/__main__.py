"""Runs the contender that the one argument names."""

import asyncio
import sys

from snapshot_ingest.bench.case import Contender
from snapshot_ingest.bench.contenders.access import Access


def main() -> None:
    """Reads its access from standard input, and runs until that is closed."""
    contender = Contender(sys.argv[1])
    access = Access.decode(sys.stdin.readline())
    match contender:
        case Contender.BASELINE:
            from snapshot_ingest.bench.contenders import baseline

            asyncio.run(baseline.run(access))
        case Contender.FRAMEWORK:
            from snapshot_ingest.bench.contenders import framework

            asyncio.run(framework.run(access))
        case Contender.UNENCRYPTED:
            from snapshot_ingest.bench.contenders import unencrypted

            asyncio.run(unencrypted.run(access))
        case _:
            from snapshot_ingest.bench.contenders import ours

            asyncio.run(ours.run(access))


if __name__ == "__main__":
    main()
