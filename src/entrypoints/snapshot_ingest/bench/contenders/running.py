"""How a contender says that it is ready, and learns that it is to end."""

import asyncio
import sys


async def until_told_to_end() -> None:
    """Says that everything is ready, and returns when the bench closes our standard input."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
