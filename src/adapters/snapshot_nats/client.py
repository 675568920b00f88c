"""SafeClient: nats-py's client with the traps closed that a peer or a timeout can spring.

Each override is of a private method, because nats-py has no other place for it: an exception
in any of them ends the read loop, while `is_connected` stays true. The integration tests
spring each trap on a real server, so a nats-py that moves these methods is noticed.
"""

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Callable
from typing import Any

from nats import errors
from nats.aio.client import Client, Srv
from nats.aio.msg import Msg

from snapshot_domain.tasks import cancel, within
from snapshot_nats.denials import Denials, SubjectDenied
from snapshot_nats.identity_files import IdentityFiles
from snapshot_nats.message import SafeMsg
from snapshot_nats.refusals import Refusal, refusal_of
from snapshot_nats.tls import TlsFiles
from snapshot_nats.transport import BUFFER_BYTES, WideTransport

_log = logging.getLogger(__name__)
_DENIED = re.compile(r'permissions violation for (publish|subscription) to "([^"]+)"')

_FLUSH_SECONDS = 10.0
_OVER_TCP = ("nats", "tls")


def _nothing() -> None:
    return


class SafeClient(Client):
    """A client that survives odd messages, late answers and its own callbacks.

    `denials` says which subjects the server refuses us. `refusal` is why the last attempt to
    connect came to nothing, if that does not pass by itself. Each connection reads `tls_files`
    and `identity_files` anew. Unless it `follows` them, the servers that a server tells of are
    ignored: they are nobody's choice, and may be anywhere. `on_lost` is called when the
    connection is lost, and may not raise.
    """

    msg_class: type[Msg] = SafeMsg

    def __init__(
        self,
        *,
        demands_tls: bool = False,
        tls_files: TlsFiles | None = None,
        identity_files: IdentityFiles | None = None,
        follows: bool = True,
    ) -> None:
        super().__init__()
        self.demands_tls = demands_tls
        self._tls_files = tls_files
        self._identity_files = identity_files or IdentityFiles()
        self._follows = follows
        self.denials = Denials()
        self._has_told_denial = False
        self.refusal: Refusal | None = None
        self.on_lost: Callable[[], None] = _nothing

    async def note_error(self, error: Exception) -> None:
        """nats-py's `error_cb`. Logs the class alone: an error can hold a whole message."""
        text = str(error).lower() if type(error) is errors.Error else ""
        denied = _DENIED.search(text)
        if denied:
            self._note_denied(*denied.groups())
            return
        self.refusal = refusal_of(error) or self.refusal
        _log.warning("NATS connection: %s", type(error).__name__)

    def _note_denied(self, what: str, subject: str) -> None:
        """Logged once a connection: each acknowledgement has a subject of its own."""
        if not self._has_told_denial:
            _log.error("the NATS server denies us a subject; check this user's permissions")
        self._has_told_denial = True
        if what == "subscription":
            self.denials.note_subscription(subject)
        else:
            self.denials.note_publish(subject)

    async def note_lost(self) -> None:
        """nats-py's `disconnected_cb`."""
        if not self.is_closed:
            _log.warning("NATS connection lost")
        self.refusal = None
        self.denials.subscriptions.clear()  # the next connection asks for them anew
        self._has_told_denial = False
        self._fail_who_waits()
        self.on_lost()

    async def note_restored(self) -> None:
        """nats-py's `reconnected_cb`."""
        _log.info("NATS connection restored")
        self.refusal = None

    async def note_closed(self) -> None:
        """nats-py's `closed_cb`: this client is of no more use."""
        _log.info("NATS connection closed")
        self.on_lost()

    def _fail_who_waits(self) -> None:
        """Ends what nobody will answer now; nats-py lets it wait out its timeout."""
        for waiting in [*self._pongs, *self._resp_map.values()]:
            if not waiting.done():
                waiting.set_exception(errors.StaleConnectionError())
                waiting.exception()  # a periodic ping has nobody who would look at it

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,
        old_style: bool = False,  # noqa: FBT001, FBT002 - nats-py's signature
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """As nats-py's, but one that is denied ends at once, with `SubjectDenied`.

        nats-py sees a denied request only as one without an answer.
        """
        with self.denials.of(subject, awaits_answers=True) as denied:
            asking: asyncio.Task[Msg] = asyncio.create_task(
                super().request(subject, payload, timeout, old_style, headers)
            )
            try:
                either: set[asyncio.Future[Any]] = {asking, denied}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if asking.done():
                    return asking.result()
            finally:
                await cancel(asking)
        raise SubjectDenied(denied.result())

    async def flush(self, timeout: float = _FLUSH_SECONDS) -> None:
        """Returns when the server has taken everything that was published before.

        nats-py's own writes its PING first and what was published after it, so that its answer
        says nothing of that.
        """
        await within(timeout, self._flush_pending(force_flush=True))
        await super().flush(timeout)  # type: ignore[arg-type]  # it takes fractions

    async def close(self) -> None:
        """As nats-py's, and the connection has ended then, whatever came of it.

        nats-py leaves it open where it takes itself for closed already: so it does from the
        moment in which it begins to clear up after an attempt that failed, and a cancellation
        can keep it from the end of that.
        """
        try:
            await super().close()
        finally:
            self._hang_up()

    async def _connect_to_server(self, s: Srv) -> None:
        """As nats-py's, over a transport of ours where it is TCP or TLS.

        nats-py takes one that is not connected yet for none, so it cannot be put there before.
        """
        if s.uri.scheme not in _OVER_TCP:
            await super()._connect_to_server(s)
            return
        s.last_attempt = time.monotonic()
        if self._transport is None:
            self._transport = WideTransport()  # type: ignore[no-untyped-call]
        self._hang_up()  # else the connection of an attempt that failed would stay open
        await self._transport.connect(
            s.uri, BUFFER_BYTES, connect_timeout=self.options["connect_timeout"]
        )

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:  # noqa: FBT001, FBT002 - nats-py's signature
        """Refuses a server without TLS before credentials are sent; nats-py goes on in clear."""
        if initial_connection and self.demands_tls and not info.get("tls_required"):
            self._hang_up()
            raise errors.SecureConnWantedError
        if not self._follows:
            info.pop("connect_urls", None)
        await super()._process_info(info, initial_connection)

    def _connect_command(self) -> bytes:
        """Says who we are. Raises `IdentityFileUnreadable`, which nats-py takes for an outage."""
        try:
            self._identity_files.require_again()
        except errors.Error:
            self._hang_up()
            raise
        command: bytes = super()._connect_command()
        return command

    def _hang_up(self) -> None:
        """nats-py leaves the transport open when it connects again, and has no types here."""
        if self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """What nats-py asks for at each connection. Raises `TlsFilesUnreadable`."""
        if self._tls_files is not None:
            return self._tls_files.context()
        context: ssl.SSLContext = super().ssl_context
        return context

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        """Drops headers that nats-py can't read: publishers choose them, and we need none."""
        if not headers:
            return None
        try:
            return await super()._process_headers(headers)
        except (IndexError, ValueError):
            return None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        """Reads also a subject that is not UTF-8, which the server lets a publisher use."""
        try:
            msg: Msg = super()._build_message(sid, subject, reply, data, headers)
        except UnicodeDecodeError:
            readable = subject.decode(errors="replace").encode()
            msg = super()._build_message(sid, readable, reply, data, headers)
        return msg

    async def _process_pong(self) -> None:
        """Bears the answer to a flush that gave up waiting, which nats-py's own does not."""
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()
