"""Runs the bare stage that is ordered on standard input, and says what it took."""

import sys
from collections.abc import Awaitable, Callable
from functools import partial

from snapshot_ingest.bench.contenders.running import READY, guarded, say
from snapshot_ingest.bench.floors.order import Floor, Order, Taken
from snapshot_ingest.bench.floors.stopwatch import once, repeated


def main() -> None:
    """Makes its data ready, waits for a line, works, and answers."""
    order = Order.decode(sys.stdin.readline())
    guarded(partial(_run, order))


async def _run(order: Order) -> None:
    measure = await _prepared(order)
    say(READY)
    sys.stdin.readline()
    taken = await measure()
    say(taken.encode())
    sys.stdin.read()


async def _prepared(order: Order) -> Callable[[], Awaitable[Taken]]:
    """Imports what the stage needs: a library that another needs would be in the way."""
    match order.floor:
        case Floor.FETCH_ACK:
            from snapshot_ingest.bench.floors.fetching import fetching

            return partial(once, await fetching(order))
        case Floor.STORE_TRANSIT | Floor.STORE_COMPRESSED | Floor.STORE_ENVELOPE:
            from snapshot_ingest.bench.floors.storing import storing

            return partial(once, await storing(order))
        case Floor.TRANSIT | Floor.TRANSIT_COMPRESSED:
            from snapshot_ingest.bench.floors.transit import transit

            return _repeating(transit(order), order.seconds)
        case Floor.DECODE | Floor.ZSTD | Floor.AES_GCM:
            from snapshot_ingest.bench.floors import computing

            stages = {
                Floor.DECODE: computing.decoding,
                Floor.ZSTD: computing.zstd,
                Floor.AES_GCM: computing.aes_gcm,
            }
            return _repeating(stages[order.floor](order), order.seconds)


def _repeating(work: Callable[[], int], seconds: float) -> Callable[[], Awaitable[Taken]]:
    async def measure() -> Taken:
        return repeated(work, seconds)

    return measure


if __name__ == "__main__":
    main()
