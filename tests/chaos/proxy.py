"""A TCP proxy in front of a server, which can cut, refuse and delay connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Self

from snapshot_domain.tasks import cancel
from snapshot_ingest.stack.ports import HOST

_CHUNK_BYTES = 64 * 1024
_CONNECT_SECONDS = 5.0


class Proxy:
    """Passes connections on to a port of loopback while its `async with` block lasts.

    `delay_seconds` is how long each piece of data is held up, in either direction.
    """

    def __init__(self, target_port: int, *, delay_seconds: float = 0.0) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self.is_refusing = False
        self.usual_delay_seconds = delay_seconds
        self.delay_seconds = delay_seconds
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        await self.cut()

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._passing)

    async def cut(self) -> None:
        """Ends every connection that is open now, in the middle of whatever it carries."""
        await cancel(*self._passing)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = asyncio.create_task(self._pass(reader, writer))
        self._passing.add(passing)
        passing.add_done_callback(self._passing.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            if self.is_refusing:
                return
            try:
                there, back = await asyncio.wait_for(
                    asyncio.open_connection(HOST, self._target_port), _CONNECT_SECONDS
                )
            except (OSError, TimeoutError):
                return
            async with _closing(back):
                await self._pump_both(reader, back, there, writer)

    async def _pump_both(
        self,
        reader: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Until either side ends: half a connection is of no use to anybody here."""
        pumps = [
            asyncio.create_task(self._pump(reader, back)),
            asyncio.create_task(self._pump(there, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(*pumps)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Whatever is still in the buffer is thrown away, as a cut connection does."""
    try:
        yield
    finally:
        writer.transport.abort()
