"""Where the embedded servers are found, for whoever connects to them."""

from pathlib import Path

from attrs import field, frozen

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

    `nats_credentials` is None: that server asks for no login. `postgres_admin_dsn` holds the
    superuser's password, so its repr is left out.
    """

    nats_url: str
    nats_credentials: Path | None
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
