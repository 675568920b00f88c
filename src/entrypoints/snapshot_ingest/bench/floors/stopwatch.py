"""What a piece of work takes: of time, and of this process's processor time."""

import time
from collections.abc import Awaitable, Callable

from snapshot_ingest.bench.floors.order import Taken


def repeated(work: Callable[[], int], seconds: float) -> Taken:
    """Does it until the time is over, at least once; it returns how many messages it did."""
    began, used = time.monotonic(), time.process_time()
    messages = 0
    while not messages or time.monotonic() - began < seconds:
        messages += work()
    return Taken(messages, time.monotonic() - began, time.process_time() - used)


async def once(work: Callable[[], Awaitable[int]]) -> Taken:
    """Does it once."""
    began, used = time.monotonic(), time.process_time()
    messages = await work()
    return Taken(messages, time.monotonic() - began, time.process_time() - used)
