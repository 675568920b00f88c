"""The two ways in for a host: a lifespan for its framework, and a block for anything else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Unpack

from snapshot_ingest.hosting.hosted import HandedIn, HostedIngestion
from snapshot_ingest.settings import Settings


def lifespan(settings: Settings | Path, **handed_in: Unpack[HandedIn]) -> HostedIngestion:
    """Ingestion as a lifespan of FastAPI, Starlette or Litestar.

    A path names a settings file, which is read when ingestion starts. Nothing is opened before.
    """
    return HostedIngestion(settings, **handed_in)


@asynccontextmanager
async def open(  # noqa: A001 - read as `snapshot_ingest.open`
    settings: Settings | Path, **handed_in: Unpack[HandedIn]
) -> AsyncIterator[HostedIngestion]:
    """Ingestion that runs while the block does. See `HostedIngestion`."""
    hosted = HostedIngestion(settings, **handed_in)
    async with hosted.running():
        yield hosted
