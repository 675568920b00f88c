"""`snapshot-ingest run`: the standalone worker against configured servers."""

import asyncio
import logging

from snapshot_ingest.http.app import http_app
from snapshot_ingest.http.server import serving
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.settings import Settings
from snapshot_ingest.signals import first_of, stop_signals

logger = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Ingests until SIGINT or SIGTERM, then finishes what is in hand."""
    with stop_signals() as stopping:
        async with (
            open_ingestion(settings) as ingestion,
            serving(http_app(ingestion.registry, ingestion.faults), settings.http) as url,
        ):
            logger.info("ingesting; metrics, health and readiness are at %s", url)
            working = asyncio.create_task(ingestion.run())
            try:
                await first_of(stopping, working)
                logger.info("stopping: finishing what is in hand")
                ingestion.stop()
                await working
            finally:
                # Cancelled: the connections may close only when nothing uses them any more.
                working.cancel()
                await asyncio.wait([working])
    logger.info("stopped")
