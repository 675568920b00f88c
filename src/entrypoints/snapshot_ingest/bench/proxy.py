"""A TCP proxy that makes a way longer and no narrower: `python -m snapshot_ingest.bench.proxy`.

Each piece of data has its own moment of delivery: many may be on the way at once.
"""

import asyncio
import json
import sys
from collections import deque
from functools import partial

from attrs import asdict, frozen

from snapshot_ingest.bench.contenders.running import READY, guarded, say
from snapshot_ingest.stack.ports import HOST

_HELD_BYTES_AT_MOST = 16 * 1024 * 1024


@frozen
class ProxyOrder:
    """The ports that are passed on to, and how long each way is."""

    ports: list[int]
    one_way_seconds: float

    def encode(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, line: str) -> "ProxyOrder":
        """What `encode` made the line of."""
        return cls(**json.loads(line))


class Way(asyncio.Protocol):
    """One end of a connection: what it receives goes to the other end, later."""

    def __init__(self, one_way_seconds: float) -> None:
        self._delay = one_way_seconds
        self._held: deque[tuple[float, bytes]] = deque()
        self._held_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._other: Way | None = None
        self._is_choked = False

    def join(self, other: "Way") -> None:
        """From now on what comes to either goes out of the other."""
        self._other, other._other = other, self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        due = self._loop.time() + self._delay
        self._held.append((due, data))
        self._held_bytes += len(data)
        if self._delay:
            self._loop.call_at(due, self._let_go)
        else:
            self._let_go()
        self._regulate()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        """See asyncio.Protocol. The other end learns of it as late as of data."""
        self._loop.call_later(self._delay, self._end_other)

    def pause_writing(self) -> None:
        """See asyncio.Protocol: who reads here is slow, so the other end takes no more."""
        if self._other is not None:
            self._other._choke(is_choked=True)

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        if self._other is not None:
            self._other._choke(is_choked=False)

    def _let_go(self) -> None:
        """Gives the other end all that is due; the order stays."""
        now = self._loop.time()
        while self._held and self._held[0][0] <= now:
            _, data = self._held.popleft()
            self._held_bytes -= len(data)
            if self._other is not None and self._other._transport is not None:
                self._other._transport.write(data)
        self._regulate()

    def _choke(self, *, is_choked: bool) -> None:
        self._is_choked = is_choked
        self._regulate()

    def _regulate(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._is_choked or self._held_bytes > _HELD_BYTES_AT_MOST:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _end_other(self) -> None:
        self._let_go()
        if self._other is not None and self._other._transport is not None:
            self._other._transport.close()


async def _serve(order: ProxyOrder) -> None:
    servers = []
    joining: set[asyncio.Task[None]] = set()
    for port in order.ports:
        loop = asyncio.get_running_loop()
        servers.append(
            await loop.create_server(
                partial(_accepted, port, order.one_way_seconds, joining), HOST, 0
            )
        )
    say(READY)
    say(json.dumps([server.sockets[0].getsockname()[1] for server in servers]))
    await asyncio.to_thread(sys.stdin.read)


class _Accepted(Way):
    """The end of whoever connects: it reads nothing before the server's end is there."""

    def __init__(self, port: int, one_way_seconds: float, joining: set[asyncio.Task[None]]) -> None:
        super().__init__(one_way_seconds)
        self._port = port
        self._joining = joining

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._choke(is_choked=True)
        task = asyncio.create_task(self._join_server())
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def _join_server(self) -> None:
        other = Way(self._delay)
        self.join(other)
        try:
            await self._loop.create_connection(lambda: other, HOST, self._port)
        except OSError:
            if self._transport is not None:
                self._transport.abort()
            return
        self._choke(is_choked=False)


def _accepted(port: int, one_way_seconds: float, joining: set[asyncio.Task[None]]) -> Way:
    return _Accepted(port, one_way_seconds, joining)


def main() -> None:
    """Says the ports that it listens on, in the order of those that it passes on to."""
    guarded(partial(_serve, ProxyOrder.decode(sys.stdin.readline())))


if __name__ == "__main__":
    main()
