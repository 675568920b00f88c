"""Serves the HTTP endpoints in the loop that is already running."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette

from snapshot_domain.errors import SnapshotIngestError
from snapshot_ingest.settings import HttpSettings

_STOP_SECONDS = 2


class HttpServerError(SnapshotIngestError):
    """The endpoints cannot be served."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals belong to whoever runs the loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: Starlette, settings: HttpSettings) -> AsyncIterator[str]:
    """Serves the app while the block runs, and gives the address that it is at.

    Raises `HttpServerError` if the address cannot be had.
    """
    listener = _listen(settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        try:
            await asyncio.wait([task])
        finally:
            listener.close()


def _listen(settings: HttpSettings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise HttpServerError(
        f"cannot listen on {settings.host}:{settings.port}: {reason}",
        next_step="stop what listens there, or set http.port (0 takes a free one)",
    )
