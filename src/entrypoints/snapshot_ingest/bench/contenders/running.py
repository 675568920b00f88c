"""How a contender says that it is ready, and learns that it is to end."""

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable

READY = "ready"
FAILED = "failed: "


def say(line: str) -> None:
    """Tells the bench."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def until_told_to_end() -> None:
    """Says that everything is ready, and returns when the bench closes our standard input."""
    say(READY)
    await asyncio.to_thread(sys.stdin.read)


def guarded(work: Callable[[], Awaitable[None]]) -> None:
    """Does it. Of an error, which may hold content, only its class and its places are told."""
    try:
        asyncio.run(_awaited(work))
    except Exception as error:  # noqa: BLE001 - see the docstring
        for place in traceback.extract_tb(error.__traceback__):
            sys.stderr.write(f"  {place.filename}:{place.lineno} in {place.name}\n")
        say(f"{FAILED}{type(error).__name__}")
        sys.exit(1)


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()
