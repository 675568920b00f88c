"""Waiting for a condition, with a deadline, in place of sleeping and hoping."""

import asyncio
from collections.abc import Awaitable, Callable

_POLL_SECONDS = 0.05


async def until(
    condition: Callable[[], bool], *, seconds: float = 10, every_seconds: float = 0
) -> None:
    """Lets others run until the condition holds; raises TimeoutError after the deadline."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(every_seconds)


async def until_true(condition: Callable[[], Awaitable[bool]], *, seconds: float = 30) -> None:
    """The same for what must be asked; raises TimeoutError after the deadline."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(_POLL_SECONDS)
