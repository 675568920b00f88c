"""Where the embedded servers are found, for whoever connects to them."""

from pathlib import Path

from attrs import field, frozen

from snapshot_ingest.stack.nats_users import NatsLogin
from snapshot_ingest.stack.openbao_roles import AppRole


@frozen
class Pids:
    """The servers' process ids."""

    nats: int
    postgres: int
    openbao: int


@frozen
class StackAddresses:
    """Addresses, credentials, logs and data folders of a running stack.

    `nats_url` and `postgres_admin_dsn` are the administrators' and hold their passwords, so their
    reprs are left out. `nats_credentials` is None: that server's users have passwords.
    """

    nats_url: str = field(repr=False)
    nats_credentials: Path | None
    nats_ingest: NatsLogin
    nats_provision: NatsLogin
    nats_admin: NatsLogin
    postgres_admin_dsn: str = field(repr=False)
    openbao_url: str
    ingest_approle: AppRole
    reader_approle: AppRole
    operator_approle: AppRole
    admin_approle: AppRole
    pids: Pids
    nats_log: Path
    postgres_log: Path
    openbao_log: Path
    openbao_audit_log: Path
    nats_store: Path
    postgres_data: Path
    openbao_data: Path

    @property
    def nats_server(self) -> str:
        """The address of NATS, without a login."""
        return f"nats://{self.nats_url.rpartition('@')[2]}"
