"""Ingestion as `snapshot-ingest run` has it."""

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry

from snapshot_domain.ports import SnapshotListener
from snapshot_ingest.allocator import return_large_blocks
from snapshot_ingest.bench.contenders.access import Access
from snapshot_ingest.bench.contenders.latencies import Latencies
from snapshot_ingest.bench.contenders.running import until_told_to_end
from snapshot_ingest.collector import collect_rarely
from snapshot_ingest.composition import Container, compose, open_resources
from snapshot_ingest.ingestion import Ingestion
from snapshot_ingest.logs import set_up_logging
from snapshot_ingest.settings.loading import load_settings


async def run(access: Access, replace: Callable[[Container], None] = lambda _: None) -> None:
    """Ingests until it is told to end; `replace` may put other adapters in."""
    return_large_blocks()
    set_up_logging("INFO", logging.FileHandler(os.devnull))
    settings = load_settings(access.settings_file, access.overrides)
    latencies = Latencies()
    listeners: Sequence[SnapshotListener] = [latencies] if access.latencies_file else []
    registry = CollectorRegistry()
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(open_resources(settings, registry))
        container = compose(settings, resources, listeners=listeners)
        replace(container)
        ingestion = Ingestion(container, registry)
        collect_rarely()
        async with ingestion.running():
            await until_told_to_end()
    latencies.write(access.latencies_file)
