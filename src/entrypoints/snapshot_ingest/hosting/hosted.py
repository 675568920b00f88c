"""Ingestion that a host runs beside its own work, and that never fails the host."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from attrs import frozen
from prometheus_client import CollectorRegistry

from snapshot_domain.errors import SnapshotIngestError
from snapshot_domain.ports import Metrics, SnapshotListener
from snapshot_domain.tasks import cancel, is_being_cancelled
from snapshot_ingest.ingestion import Ingestion, open_ingestion
from snapshot_ingest.ports_in_code import Ports
from snapshot_ingest.settings import Settings, load_settings
from snapshot_postgres import Pool, host_pool
from snapshot_prometheus import MetricNameTaken

if TYPE_CHECKING:
    from starlette.types import ASGIApp

logger = logging.getLogger(__name__)

_TRIES_AGAIN_AFTER = timedelta(seconds=5)
_NOT_RUNNING = "it is not running"


class HandedIn(TypedDict, total=False):
    """What of the host's own is used. Whatever is not handed in, ingestion makes for itself.

    `registry` takes the metrics. `pool` is not closed, and must leave PostgreSQL's types to
    asyncpg. `listeners` are told of every stored snapshot, `watchers` of every event, and
    `ports` are answered by adapters of the host.
    """

    registry: CollectorRegistry
    pool: "Pool | None"
    listeners: Sequence[SnapshotListener]
    watchers: Sequence[Metrics]
    ports: Ports


@frozen
class Ready:
    """Whether ingestion could work now, and if not, what keeps which part of it.

    Information for people and dashboards. Where it decided whether the host gets requests,
    OpenBao's absence would take away the host's whole API.
    """

    is_ready: bool
    faults: Mapping[str, str]


class HostedIngestion:
    """Runs ingestion while a block of the host runs, in the host's loop.

    Nothing of it reaches the host as an exception: what keeps ingestion from starting is logged
    and tried again, and `ready` tells of it. It touches nothing that the process has once only:
    no signal handler, no logging configuration, no default registry, no event-loop policy.
    """

    def __init__(
        self,
        settings: Settings | Path,
        *,
        tries_again_after: timedelta = _TRIES_AGAIN_AFTER,
        **handed_in: Unpack[HandedIn],
    ) -> None:
        self._settings = settings
        self._tries_again_after = tries_again_after
        self._handed_in = handed_in
        pool = handed_in.get("pool")
        if pool is not None:
            self._handed_in["pool"] = host_pool(pool)
        self._registry = handed_in.get("registry") or CollectorRegistry()
        self._running: Ingestion | None = None
        self._ingesting: asyncio.Task[None] | None = None
        self._fault = _NOT_RUNNING

    def __call__(self, app: object) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - a lifespan's protocol
        """The lifespan of FastAPI, Starlette and Litestar."""
        return self.running()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ingests while the block runs; at its end what is in hand is finished or given back.

        One block at a time, any number one after the other. A cancellation of the end hurries it,
        and another one leaves it to itself.
        """
        if self._ingesting is not None and not self._ingesting.done():
            raise RuntimeError(
                "this ingestion runs already; a second one needs an object of its own"
            )
        stopping = asyncio.Event()
        ingesting = asyncio.create_task(self._until(stopping), name="snapshot-ingest")
        self._ingesting = ingesting
        try:
            yield
        finally:
            stopping.set()
            if self._running is not None:
                self._running.stop()
            try:
                await asyncio.wait([ingesting])
            finally:
                await cancel(ingesting)

    async def ready(self) -> Ready:
        """Asks the servers at most every two seconds, however often it is asked itself."""
        if self._running is None:
            return Ready(is_ready=False, faults={"ingestion": self._fault})
        faults = await self._running.faults()
        return Ready(is_ready=not faults, faults=faults)

    @property
    def registry(self) -> CollectorRegistry:
        """Where the metrics are: the host's registry, unless others have their names there."""
        return self._registry

    @property
    def app(self) -> "ASGIApp":
        """An ASGI app to mount, with /metrics, /healthz and /readyz. Needs Starlette.

        It may be mounted before ingestion starts.
        """
        from snapshot_ingest.http.app import http_app  # noqa: PLC0415 - a host may do without

        return http_app(lambda: self._registry, self._faults)

    async def _faults(self) -> Mapping[str, str]:
        return (await self.ready()).faults

    async def _until(self, stopping: asyncio.Event) -> None:
        """Ingests, and tries again whatever ended it, until it is stopped."""
        while not stopping.is_set():
            fault = await self._try(stopping)
            if fault and fault != self._fault:
                logger.error("ingestion does not run, and is tried again: %s", fault)
            self._fault = fault or _NOT_RUNNING
            await _set_within(stopping, self._tries_again_after)
        self._fault = _NOT_RUNNING

    async def _try(self, stopping: asyncio.Event) -> str:
        """Ingests as long as it goes well; returns what ended it, or nothing after a stop."""
        try:
            await self._ingest(stopping)
        except SnapshotIngestError as fault:
            return str(fault)
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            return "unforeseen CancelledError"
        except Exception as fault:  # noqa: BLE001 - whatever it is, the host goes on
            return f"unforeseen {type(fault).__name__}"
        return ""

    async def _ingest(self, stopping: asyncio.Event) -> None:
        given = self._settings
        settings = load_settings(given) if isinstance(given, Path) else given
        async with self._opened(settings) as ingestion:
            if stopping.is_set():
                return
            self._running = ingestion
            try:
                await ingestion.run()
            finally:
                self._running = None

    @asynccontextmanager
    async def _opened(self, settings: Settings) -> AsyncIterator[Ingestion]:
        """Opens it, with a registry of its own where others have the names of our metrics."""
        async with AsyncExitStack() as stack:
            try:
                opening = open_ingestion(settings, **self._handed_in | {"registry": self._registry})
                ingestion = await stack.enter_async_context(opening)
            except MetricNameTaken as fault:
                logger.error("the metrics of ingestion are in a registry of its own: %s", fault)
                self._registry = CollectorRegistry()
                opening = open_ingestion(settings, **self._handed_in | {"registry": self._registry})
                ingestion = await stack.enter_async_context(opening)
            yield ingestion


async def _set_within(event: asyncio.Event, pause: timedelta) -> None:
    waiting: asyncio.Task[Any] = asyncio.create_task(event.wait())
    try:
        await asyncio.wait([waiting], timeout=pause.total_seconds())
    finally:
        await cancel(waiting)
