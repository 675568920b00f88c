"""How to reach a NATS server, and the one way to connect to it."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from attrs import field, frozen

from snapshot_domain.errors import Dependency, DependencyError, Misconfigured, Unavailable
from snapshot_nats.client import SafeClient
from snapshot_nats.errors import NATS_FAULTS

_log = logging.getLogger(__name__)

_MAX_RECONNECT_ATTEMPTS = -1  # for ever; nats-py's default gives up after 60

_CREDENTIAL_PARTS = (b"BEGIN NATS USER JWT", b"BEGIN USER NKEY SEED")


@frozen(kw_only=True)
class ConnectionSettings:
    """Where the servers are and who we are to them. Its repr shows no server and no secret.

    With a `tls://` server, or `tls`, a server that does not speak TLS is refused.
    """

    servers: tuple[str, ...] = field(default=("nats://127.0.0.1:4222",), repr=False)
    name: str = "snapshot-ingest"
    credentials_file: Path | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    inbox_prefix: str = "_INBOX"
    connect_timeout: timedelta = timedelta(seconds=5)
    reconnect_wait: timedelta = timedelta(seconds=1)
    ping_interval: timedelta = timedelta(seconds=10)

    @property
    def demands_tls(self) -> bool:
        """Whether a connection in clear is refused."""
        return self.tls is not None or any(
            urlsplit(server).scheme == "tls" for server in self.servers
        )


async def connect(settings: ConnectionSettings) -> SafeClient:
    """A connected client, which reconnects for ever.

    Raises `Unavailable` when no server answers within `connect_timeout`, and `Misconfigured`
    when one answers and refuses us, speaks no TLS where we demand it, or our credentials file
    is none.
    """
    if settings.credentials_file is not None:
        _look_at(settings.credentials_file)
    client = SafeClient(demands_tls=settings.demands_tls)
    try:
        await asyncio.wait_for(
            _start(client, settings), timeout=settings.connect_timeout.total_seconds()
        )
    except NATS_FAULTS as error:
        reason = type(error).__name__
    except asyncio.CancelledError:
        await end_connection(client, settings.connect_timeout)
        raise
    else:
        return client
    await end_connection(client, settings.connect_timeout)
    raise _failure(client, settings, reason)


async def end_connection(client: SafeClient, within: timedelta) -> None:
    """Closes the client for good, in order if that works in time; never raises."""
    try:
        await asyncio.wait_for(client.close(), within.total_seconds())
    except NATS_FAULTS as error:
        _log.warning("the NATS connection did not close in order: %s", type(error).__name__)


def _look_at(credentials_file: Path) -> None:
    """Raises `Misconfigured` for a file that nats-py would read for ever, or fail on oddly."""
    if not _holds_credentials(credentials_file):
        raise Misconfigured(
            Dependency.SOURCE,
            f"the credentials file {credentials_file} cannot be read or is none",
            expected="a NATS user JWT and its nkey seed",
            next_step="make it with `nsc generate creds`, readable for this process",
        )


def _holds_credentials(file: Path) -> bool:
    """Looked at apart, so that no frame of an error has its content at hand."""
    try:
        content = file.read_bytes()
    except OSError:
        return False
    return all(part in content for part in _CREDENTIAL_PARTS)


async def _start(client: SafeClient, settings: ConnectionSettings) -> None:
    # nats-py annotates seconds as int, and takes fractions.
    connect: Callable[..., Awaitable[None]] = client.connect
    await connect(
        servers=list(settings.servers),
        name=settings.name,
        user_credentials=settings.credentials_file,
        user=settings.user,
        password=settings.password,
        token=settings.token,
        tls=settings.tls,
        inbox_prefix=settings.inbox_prefix,
        error_cb=client.note_error,
        disconnected_cb=client.note_lost,
        reconnected_cb=client.note_restored,
        closed_cb=client.note_closed,
        max_reconnect_attempts=_MAX_RECONNECT_ATTEMPTS,
        connect_timeout=settings.connect_timeout.total_seconds(),
        reconnect_time_wait=settings.reconnect_wait.total_seconds(),
        ping_interval=settings.ping_interval.total_seconds(),
    )


def _failure(client: SafeClient, settings: ConnectionSettings, reason: str) -> DependencyError:
    if client.refused_by == "SecureConnWantedError":
        return Misconfigured(
            Dependency.SOURCE,
            "the NATS server speaks no TLS",
            expected="TLS, because a tls:// address or a TLS context is configured",
            next_step="enable TLS on the server, or configure nats:// on purpose",
        )
    if client.refused_by is not None:
        return Misconfigured(
            Dependency.SOURCE,
            "the NATS server refuses our credentials",
            next_step="check the user, password, token or credentials file",
        )
    seconds = settings.connect_timeout.total_seconds()
    return Unavailable(
        Dependency.SOURCE,
        f"no NATS server answered within {seconds:g} s ({reason})",
        next_step="see whether one is up at the configured address",
    )
