"""Ingestion as one thing: opened from settings, run until it is stopped, closed in order."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from prometheus_client import CollectorRegistry

from snapshot_domain.listening.listening import Listening
from snapshot_domain.ports import Metrics, SnapshotListener
from snapshot_domain.tasks import cancel, to_its_end
from snapshot_domain.waiting import WaitingSweep
from snapshot_domain.worker import Worker, WorkerLimits
from snapshot_ingest.backlog_watch import BacklogWatch
from snapshot_ingest.composition import Container, compose, open_resources
from snapshot_ingest.floor_watch import FloorWatch
from snapshot_ingest.ports_in_code import NONE_REPLACED, Ports
from snapshot_ingest.readiness import Readiness
from snapshot_ingest.settings import Settings
from snapshot_ingest.settings.transport import insecure_sections
from snapshot_postgres import Pool
from snapshot_prometheus import PrometheusMetrics

logger = logging.getLogger(__name__)

_LISTENERS_AT_LEAST = timedelta(seconds=1)


class Ingestion:
    """A worker with all that it needs. Runs in the loop that opened it."""

    def __init__(self, container: Container, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._worker = container.resolve(Worker)
        self._readiness = container.resolve(Readiness)
        self._backlog_watch = container.resolve(BacklogWatch)
        self._floor_watch = container.resolve(FloorWatch) if container.answers(FloorWatch) else None
        self._waiting_sweep = container.resolve(WaitingSweep)
        self._listening = container.resolve(Listening)
        self._grace = container.resolve(WorkerLimits).grace
        self._sweeping: asyncio.Task[None] | None = None
        self._stopped_at: float | None = None

    async def run(self) -> None:
        """Ingests until `stop` is called, and returns when everything in hand is settled."""
        watching = [asyncio.create_task(self._backlog_watch.run())]
        if self._floor_watch is not None:
            watching.append(asyncio.create_task(self._floor_watch.run()))
        self._sweeping = asyncio.create_task(self._waiting_sweep.run())
        listening = asyncio.create_task(self._listening.run())
        try:
            await self._worker.run()
        finally:
            try:
                await to_its_end(cancel(self._sweeping, *watching))
            finally:
                await self._finish(listening)

    async def _finish(self, listening: "asyncio.Task[None]") -> None:
        """Gives the listeners what the worker has left of the grace.

        A cancellation hurries them; a further one does not leave them behind.
        """
        now = asyncio.get_running_loop().time()
        took = timedelta(seconds=now - (self._stopped_at or now))
        self._listening.stop(max(self._grace - took, _LISTENERS_AT_LEAST))
        try:
            await asyncio.wait([listening])
        finally:
            await to_its_end(cancel(listening))

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        """Ingests while the block runs, in the task that it gives.

        At the block's end everything in hand is settled. A cancellation of that end hurries it;
        also then nothing of it is left running afterwards.
        """
        working = asyncio.create_task(self.run())
        try:
            yield working
        finally:
            self.stop()
            try:
                await asyncio.wait([working])
            finally:
                await cancel(working)
        working.result()

    def stop(self) -> None:
        """Asks for an orderly stop; may be called from a signal handler of the loop."""
        self._worker.stop()
        self._stopped_at = self._stopped_at or asyncio.get_running_loop().time()
        # What waits is safe where it is. The watches go on: the floor is worth keeping.
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def faults(self) -> Mapping[str, str]:
        """What keeps each dependency from working now; empty if ingestion is ready."""
        return await self._readiness.faults()


@asynccontextmanager
async def open_ingestion(
    settings: Settings,
    *,
    registry: CollectorRegistry | None = None,
    watchers: Sequence[Metrics] = (),
    listeners: Sequence[SnapshotListener] = (),
    pool: "Pool | None" = None,
    ports: Ports = NONE_REPLACED,
) -> AsyncIterator[Ingestion]:
    """Ingestion with its connections, which are closed when the block ends.

    `watchers` are told of every event, `listeners` of every stored snapshot: of what this
    process stores, or, with a name (`NamedListener`), of all. A `pool` of the host is used in
    place of one of our own and stays open; `ports` are answered by adapters of the host.

    No server needs to be up: each is reached when it is needed, and again when it comes back.
    Raises `SettingsError` if the settings are not enough to begin with, `PortError` for a port
    that cannot be answered and for two listeners of one name, and `MetricNameTaken` if the
    registry has one of the names.
    """
    for section in insecure_sections(settings):
        logger.warning(
            "%s.insecure = true: whoever is on the network may read along; expected TLS", section
        )
    registry = registry or CollectorRegistry()
    async with open_resources(settings, registry, pool=pool, ports=ports) as resources:
        container = compose(
            settings, resources, watchers=watchers, listeners=listeners, ports=ports
        )
        try:
            yield Ingestion(container, registry)
        finally:
            container.resolve(PrometheusMetrics).close()
