"""A few threads of our own for what blocks: the driver's calls, and encryption in the process."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """A bounded pool of threads that can be closed with a deadline.

    A cancelled task leaves its thread to finish by the driver's own timeout; its result is dropped.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix="openbao")
        self._running: set[Future[Any]] = set()

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, done in one of the threads as soon as one is free."""
        future = self._pool.submit(work)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return await asyncio.wrap_future(future)

    async def aclose(self, timeout_seconds: float) -> None:
        """Takes no more work and returns when what runs has ended, or after the timeout."""
        self._pool.shutdown(wait=False)
        running = set(self._running)
        if running:
            await asyncio.to_thread(wait, running, timeout_seconds)
