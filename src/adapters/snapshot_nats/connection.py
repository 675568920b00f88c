"""How to reach a NATS server, and the one way to connect to it."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from attrs import field, frozen

from snapshot_domain.errors import Dependency, DependencyError, Unavailable
from snapshot_domain.tasks import within
from snapshot_nats.client import SafeClient
from snapshot_nats.errors import NATS_FAULTS
from snapshot_nats.identity_files import IdentityFiles
from snapshot_nats.refusals import Refusal, misconfigured
from snapshot_nats.tls import TlsFiles

_log = logging.getLogger(__name__)

_MAX_RECONNECT_ATTEMPTS = -1  # for ever; nats-py's default gives up after 60


@frozen(kw_only=True)
class ConnectionSettings:
    """Where the servers are and who we are to them. Its repr shows no server and no secret.

    With a `tls://` server, `tls_files` or `tls`, a server that does not speak TLS is refused.
    In clear, only these servers are connected to, and none that they tell of unless
    `clear_beyond_configured`.
    """

    servers: tuple[str, ...] = field(default=("nats://127.0.0.1:4222",), repr=False)
    name: str = "snapshot-ingest"
    credentials_file: Path | None = None
    nkey_seed_file: Path | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    tls_files: TlsFiles | None = None
    clear_beyond_configured: bool = True
    inbox_prefix: str = "_INBOX"
    connect_timeout: timedelta = timedelta(seconds=5)
    reconnect_wait: timedelta = timedelta(seconds=1)
    ping_interval: timedelta = timedelta(seconds=10)

    @property
    def demands_tls(self) -> bool:
        """Whether a connection in clear is refused."""
        if self.tls is not None or self.tls_files is not None:
            return True
        return any(urlsplit(server).scheme == "tls" for server in self.servers)

    @property
    def follows(self) -> bool:
        """Whether servers that a server tells of are connected to as well."""
        return self.demands_tls or self.clear_beyond_configured


async def connect(settings: ConnectionSettings) -> SafeClient:
    """A connected client, which reconnects for ever.

    Raises `Unavailable` when no server answers within `connect_timeout`, and `Misconfigured`
    when one answers and refuses us, or we refuse it for its certificate or for speaking no TLS,
    or one of our files is none.
    """
    identity_files = IdentityFiles(settings.credentials_file, settings.nkey_seed_file)
    identity_files.require()
    client = SafeClient(
        demands_tls=settings.demands_tls,
        tls_files=settings.tls_files,
        identity_files=identity_files,
        follows=settings.follows,
    )
    try:
        await within(settings.connect_timeout.total_seconds(), _start(client, settings))
    except NATS_FAULTS as error:
        reason = type(error).__name__
    except asyncio.CancelledError:
        await end_connection(client, settings.connect_timeout)
        raise
    else:
        return client
    failure = _failure(client.refusal, settings, reason)  # the end forgets why we were refused
    await end_connection(client, settings.connect_timeout)
    raise failure


async def end_connection(client: SafeClient, timeout: timedelta) -> None:
    """Closes the client for good, in order if that works in time; never raises."""
    try:
        await within(timeout.total_seconds(), client.close())
    except NATS_FAULTS as error:
        _log.warning("the NATS connection did not close in order: %s", type(error).__name__)


async def _start(client: SafeClient, settings: ConnectionSettings) -> None:
    # nats-py annotates seconds as int, and takes fractions.
    connect: Callable[..., Awaitable[None]] = client.connect
    await connect(
        servers=list(settings.servers),
        name=settings.name,
        user_credentials=settings.credentials_file,
        nkeys_seed=settings.nkey_seed_file,
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


def _failure(refusal: Refusal | None, settings: ConnectionSettings, reason: str) -> DependencyError:
    if refusal is not None:
        return misconfigured(refusal)
    seconds = settings.connect_timeout.total_seconds()
    return Unavailable(
        Dependency.SOURCE,
        f"no NATS server answered within {seconds:g} s ({reason})",
        next_step="see whether one is up at the configured address",
    )
