"""Waiting for a condition, with a deadline, in place of sleeping and hoping."""

import asyncio
from collections.abc import Callable


async def until(
    condition: Callable[[], bool], *, seconds: float = 10, every_seconds: float = 0
) -> None:
    """Lets others run until the condition holds; raises TimeoutError after the deadline."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(every_seconds)
