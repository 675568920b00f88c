"""Where a command begins to run: what it needs for that is not loaded for --help."""

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_to_end(command: "Coroutine[Any, Any, T]") -> T:
    """What the command returns, in an event loop of its own."""
    import asyncio

    return asyncio.run(command)
