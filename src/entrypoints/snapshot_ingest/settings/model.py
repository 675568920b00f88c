"""The settings: what they are called, what they default to, and what they may be.

A TOML file, environment variables `SNAPSHOT_INGEST_<SECTION>_<NAME>` and `--set` on the command
line, each stronger than the one before. Secrets come from files or the environment; a Secret is
never shown.
"""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from attrs import field, frozen
from typed_settings import Secret

from snapshot_domain.policy import HashPolicy, IngestPolicy, OnRejected
from snapshot_domain.worker import WorkerLimits


class CipherFormat(StrEnum):
    """How a configuration is stored."""

    TRANSIT = "transit"
    COMPRESSED = "compressed"
    ENVELOPE = "envelope"


class Dedup(StrEnum):
    """Which text decides whether a snapshot is unchanged."""

    POLLER = "poller"
    CANONICAL = "canonical"


class DigestKind(StrEnum):
    """How the digest is stored."""

    PLAIN = "plain"
    KEYED = "keyed"


@frozen(kw_only=True)
class NatsSettings:
    """`[nats]`: the stream to consume, and one way to be let in.

    That is a credentials file, an nkey's seed, a token, or user and password; a client
    certificate alone or beside it. With `recreate_consumer`, a worker makes a consumer again
    that was deleted. Answers come to subjects below `inbox_prefix`. Without `insecure`, nothing
    beyond loopback is spoken to in clear.
    """

    url: str = "nats://127.0.0.1:4222"
    stream: str = "DEVICE_EVENTS"
    subject: str = "config.snapshot.>"
    consumer: str = "config_snapshot_ingest"
    recreate_consumer: bool = True
    inbox_prefix: str = "_INBOX"
    credentials_file: Path | None = None
    nkey_seed_file: Path | None = None
    token: Secret[str] | None = None
    token_file: Path | None = None
    user: str | None = None
    password: Secret[str] | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure: bool = False


@frozen(kw_only=True)
class NatsLoginSettings:
    """`[admin.nats]`: one way to be let in as somebody else than a worker."""

    credentials_file: Path | None = None
    nkey_seed_file: Path | None = None
    token: Secret[str] | None = None
    token_file: Path | None = None
    user: str | None = None
    password: Secret[str] | None = None
    password_file: Path | None = None


@frozen(kw_only=True)
class PostgresSettings:
    """`[postgres]`, `[reader.postgres]` and so on: the backend's database, as the role for the job.

    `dsn` may hold a password; better is a password file. Beyond loopback, and wherever a file
    of TLS is set, sslmode is verify-full unless the DSN says another, which needs `insecure`.
    """

    dsn: Secret[str] | None = None
    password: Secret[str] | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure: bool = False
    pool_size: int = 8


@frozen(kw_only=True)
class OpenBaoSettings:
    """`[openbao]`, `[reader.openbao]` and so on: a token, an AppRole, or a role for a JWT.

    `auth_mount` is where the login's method is mounted, if not under its own name. `insecure`
    allows the `url` beside it to lead beyond loopback in clear.
    """

    url: str | None = None
    insecure: bool = False
    mount: str = "transit"
    ca_file: Path | None = None
    auth_mount: str | None = None
    role_id: str | None = None
    secret_id: Secret[str] | None = None
    secret_id_file: Path | None = None
    wrapped_secret_id_file: Path | None = None
    kubernetes_role: str | None = None
    jwt_role: str | None = None
    jwt_file: Path | None = None
    token: Secret[str] | None = None
    token_file: Path | None = None
    threads: int = 4


@frozen(kw_only=True)
class CipherSettings:
    """`[cipher]`: how configurations are stored; the data keys are those of `envelope`."""

    format: CipherFormat = CipherFormat.TRANSIT
    data_key_lifetime: timedelta = timedelta(minutes=15)
    data_key_uses: int = 2**20


@frozen(kw_only=True)
class EventsSettings:
    """`[events]`: whether an event is published for each stored snapshot, and on which stream.

    `provision` makes it with these bounds, at which it discards the oldest events.
    """

    enabled: bool = False
    stream: str = "SNAPSHOT_EVENTS"
    max_age: timedelta = timedelta(days=7)
    max_bytes: int = 256 * 1024 * 1024


@frozen(kw_only=True)
class HttpSettings:
    """`[http]`: where /metrics, /healthz and /readyz are. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 9464


@frozen(kw_only=True)
class WorkerSettings:
    """`[worker]`: how much is taken in hand, and how long a stop may take."""

    batch_messages: int = 300
    batch_bytes: int = 5 * 1024 * 1024
    batches_in_flight: int = 4
    max_in_flight_bytes: int = 20 * 1024 * 1024
    grace: timedelta = timedelta(seconds=20)

    @property
    def limits(self) -> WorkerLimits:
        """The same in the domain's words."""
        return WorkerLimits(
            batch_messages=self.batch_messages,
            batch_bytes=self.batch_bytes,
            batches_in_flight=self.batches_in_flight,
            in_flight_bytes=self.max_in_flight_bytes,
            grace=self.grace,
        )


@frozen(kw_only=True)
class ReaderSettings:
    """`[reader]`: the credentials that may open stored snapshots and rejected messages.

    `show`, `quarantine list`, `show` and `replay`, `convert`, `digest migrate` and
    `shred --forever` use them; a worker has none.
    """

    postgres: PostgresSettings = field(factory=PostgresSettings)
    openbao: OpenBaoSettings = field(factory=OpenBaoSettings)


@frozen(kw_only=True)
class OperatorSettings:
    """`[operator]`: the credentials that bring stored texts under another key or format."""

    postgres: PostgresSettings = field(factory=PostgresSettings)
    openbao: OpenBaoSettings = field(factory=OpenBaoSettings)


@frozen(kw_only=True)
class AdminSettings:
    """`[admin]`: the credentials that make streams, tables and keys, delete keys, and publish."""

    nats: NatsLoginSettings = field(factory=NatsLoginSettings)
    postgres: PostgresSettings = field(factory=PostgresSettings)
    openbao: OpenBaoSettings = field(factory=OpenBaoSettings)


@frozen(kw_only=True)
class Settings:
    """All of them. The root holds the choices of policy, each section one technology."""

    hash_policy: HashPolicy = HashPolicy.TRUST
    on_rejected: OnRejected = OnRejected.QUARANTINE
    dedup: Dedup = Dedup.POLLER
    digest: DigestKind = DigestKind.PLAIN
    orphan_grace: timedelta = timedelta(minutes=10)
    max_clock_ahead: timedelta = timedelta(minutes=10)
    nats: NatsSettings = field(factory=NatsSettings)
    postgres: PostgresSettings = field(factory=PostgresSettings)
    openbao: OpenBaoSettings = field(factory=OpenBaoSettings)
    cipher: CipherSettings = field(factory=CipherSettings)
    events: EventsSettings = field(factory=EventsSettings)
    http: HttpSettings = field(factory=HttpSettings)
    worker: WorkerSettings = field(factory=WorkerSettings)
    reader: ReaderSettings = field(factory=ReaderSettings)
    operator: OperatorSettings = field(factory=OperatorSettings)
    admin: AdminSettings = field(factory=AdminSettings)

    @property
    def policy(self) -> IngestPolicy:
        """The choices of policy in the domain's words."""
        return IngestPolicy(
            hash_policy=self.hash_policy,
            on_rejected=self.on_rejected,
            orphan_grace=self.orphan_grace,
            max_clock_ahead=self.max_clock_ahead,
        )
