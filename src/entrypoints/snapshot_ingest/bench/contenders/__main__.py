"""Runs the contender that the one argument names."""

import sys
from collections.abc import Awaitable
from functools import partial

from snapshot_ingest.bench.case import Contender
from snapshot_ingest.bench.contenders.access import Access
from snapshot_ingest.bench.contenders.running import guarded


def main() -> None:
    """Reads its access from standard input, and runs until that is closed."""
    contender = Contender(sys.argv[1])
    access = Access.decode(sys.stdin.readline())
    guarded(partial(_run, contender, access))


def _run(contender: Contender, access: Access) -> Awaitable[None]:
    """Imports nothing of another contender: its memory would count as this one's."""
    match contender:
        case Contender.BASELINE:
            from snapshot_ingest.bench.contenders import baseline

            return baseline.run(access)
        case Contender.FRAMEWORK:
            from snapshot_ingest.bench.contenders import framework

            return framework.run(access)
        case Contender.UNENCRYPTED:
            from snapshot_ingest.bench.contenders import unencrypted

            return unencrypted.run(access)
        case Contender.ONE_ROW:
            from snapshot_ingest.bench.contenders import one_row

            return one_row.run(access)
        case Contender.TRANSIT | Contender.COMPRESSED | Contender.ENVELOPE:
            from snapshot_ingest.bench.contenders import ours

            return ours.run(access)


if __name__ == "__main__":
    main()
