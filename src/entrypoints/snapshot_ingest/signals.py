"""SIGINT and SIGTERM ask for an orderly stop; a second one cancels what is still running."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from snapshot_ingest.exit_codes import INTERRUPTED

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _nothing() -> None:
    return


@contextmanager
def stop_signals(at_second: Callable[[], None] = _nothing) -> Iterator[asyncio.Event]:
    """An event that the first signal sets, while the block runs in its loop's main task.

    `at_second` is called before the second one cancels that task.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def on_signal() -> None:
        if stopping.is_set() and task is not None:
            at_second()
            task.cancel()
        stopping.set()

    for each in _SIGNALS:
        loop.add_signal_handler(each, on_signal)
    try:
        yield stopping
    finally:
        for each in _SIGNALS:
            loop.remove_signal_handler(each)


def leave_within(seconds: float) -> None:
    """Ends the process with `INTERRUPTED` by then, whatever hangs in it.

    A thread that waits for a server's answer would hold up the interpreter's own end, and the
    ends of connections have timeouts of their own, one after the other.
    """

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


async def first_of(stopping: asyncio.Event, *tasks: "asyncio.Task[None]") -> None:
    """Returns when a stop is asked for or one of the tasks ends; raises what that task raised."""
    waiting = asyncio.create_task(stopping.wait())
    try:
        done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    for task in done - {waiting}:
        task.result()
