"""TLS in front of a PostgreSQL that is built without: it speaks for the server until it is up."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from support.authority import KeyPair

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_PIECE_BYTES = 65_536


class PostgresFront:
    """Passes on to a real server, in TLS with a certificate or in clear, on a port of its own.

    The one word of the protocol that it says itself is the answer to the request for TLS.
    """

    def __init__(self, admin_dsn: str) -> None:
        self._behind = urlsplit(admin_dsn)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]

    @property
    def dsn(self) -> str:
        """The superuser's way in, without a word of TLS; it holds the password."""
        user = self._behind.netloc.rpartition("@")[0]
        return urlunsplit(self._behind._replace(netloc=f"{user}@127.0.0.1:{self._port}"))

    @asynccontextmanager
    async def serving(self, certificate: KeyPair | None) -> AsyncIterator[None]:
        """Takes connections meanwhile."""
        context: ssl.SSLContext | None = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.cert_file, certificate.key_file)
        passing: set[asyncio.Task[None]] = set()

        def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._pass_on(reader, writer, context))
            passing.add(task)

        async with await asyncio.start_server(take, "127.0.0.1", self._port):
            yield
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext | None,
    ) -> None:
        first = await reader.readexactly(len(_SSL_REQUEST))
        try:
            if first == _SSL_REQUEST:
                writer.write(b"N" if context is None else b"S")
                await writer.drain()
                first = b""
                if context is not None:
                    await writer.start_tls(context)
            await self._relay(first, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client refused the certificate, or went
        finally:
            writer.close()

    async def _relay(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there, back = await asyncio.open_connection(self._behind.hostname, self._behind.port)
        try:
            back.write(first)
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            back.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(_PIECE_BYTES):
        target.write(piece)
        await target.drain()
    target.close()
