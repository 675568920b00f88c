"""Waits for what sends no event: processes, locks and servers that start."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

POLL_SECONDS = 0.02


async def came_true(condition: Callable[[], bool], *, within: timedelta) -> bool:
    """Returns True as soon as the condition holds, and False once the time is over."""
    deadline = time.monotonic() + within.total_seconds()
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True
