"""SIGINT and SIGTERM ask for an orderly stop; a second one cancels what is still running."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that the first signal sets, while the block runs in its loop's main task."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def on_signal() -> None:
        if stopping.is_set() and task is not None:
            task.cancel()
        stopping.set()

    for each in _SIGNALS:
        loop.add_signal_handler(each, on_signal)
    try:
        yield stopping
    finally:
        for each in _SIGNALS:
            loop.remove_signal_handler(each)


async def first_of(stopping: asyncio.Event, *tasks: "asyncio.Task[None]") -> None:
    """Returns when a stop is asked for or one of the tasks ends; raises what that task raised."""
    waiting = asyncio.create_task(stopping.wait())
    try:
        done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    for task in done - {waiting}:
        task.result()
