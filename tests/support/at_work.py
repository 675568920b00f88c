"""A worker for as long as a test needs one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from snapshot_ingest.ingestion import Ingestion

_HURRIED_AFTER_SECONDS = 0.05


@asynccontextmanager
async def at_work(ingestion: Ingestion) -> AsyncIterator[None]:
    """Ingests while the block runs, and is hurried at its end: what is in hand is given back.

    An orderly end would wait until a fetch has waited in vain, which is two seconds of each test
    that has nothing in hand by then.
    """
    working = asyncio.create_task(ingestion.run())
    try:
        yield
    finally:
        while not working.done():
            working.cancel()
            await asyncio.wait([working], timeout=_HURRIED_AFTER_SECONDS)
    if not working.cancelled():
        working.result()
