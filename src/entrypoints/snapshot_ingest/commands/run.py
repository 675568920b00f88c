"""`snapshot-ingest run`: the standalone worker against configured servers."""

import logging

from snapshot_ingest.allocator import return_large_blocks
from snapshot_ingest.collector import collect_rarely
from snapshot_ingest.http.app import http_app
from snapshot_ingest.http.server import serving
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.settings import Settings
from snapshot_ingest.signals import first_of, leave_within, stop_signals

logger = logging.getLogger(__name__)

# Enough to give back what is in hand, if NATS answers; else it comes again after its deadline.
_HURRIED_SECONDS = 1.0


async def run(settings: Settings) -> None:
    """Ingests until SIGINT or SIGTERM, then finishes what is in hand; a second one ends it."""
    return_large_blocks()
    with stop_signals(at_second=lambda: leave_within(_HURRIED_SECONDS)) as stopping:
        async with (
            open_ingestion(settings) as ingestion,
            serving(http_app(lambda: ingestion.registry, ingestion.faults), settings.http) as url,
        ):
            logger.info("ingesting; metrics, health and readiness are at %s", url)
            collect_rarely()
            async with ingestion.running() as working:
                await first_of(stopping, working)
                logger.info("stopping: finishing what is in hand")
    logger.info("stopped")
