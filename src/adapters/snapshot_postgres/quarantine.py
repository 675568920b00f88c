"""Quarantine over a table of our own schema."""

from collections.abc import Sequence

from snapshot_domain.errors import Dependency, Refused
from snapshot_domain.ports import QuarantinedMessage
from snapshot_postgres.database import Database
from snapshot_postgres.errors import Fault, FaultKind
from snapshot_postgres.health import require_rights
from snapshot_postgres.pool import Pool, PooledConnection
from snapshot_postgres.sql import query

_RIGHTS = (
    ("snapshot_ingest.quarantine", "SELECT"),
    ("snapshot_ingest.quarantine", "INSERT"),
    ("snapshot_ingest.quarantine", "UPDATE"),
)


class PostgresQuarantine:
    """Keeps each message once, on disk before it answers."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.QUARANTINE, acquire_timeout_seconds)

    async def keep(self, messages: Sequence[QuarantinedMessage]) -> None:
        """See Quarantine. All in one transaction."""
        if not messages:
            return
        result = await self._database.transact(lambda connection: _keep(connection, messages))
        if not isinstance(result, Fault):
            return
        if result.kind is FaultKind.REFUSED:
            raise Refused(
                Dependency.QUARANTINE, f"PostgreSQL can never keep it: {result.describe()}"
            )
        raise result.as_error(Dependency.QUARANTINE)

    async def check(self) -> None:
        """Returns if messages can be kept; raises `Unavailable` or `Misconfigured`."""
        await require_rights(self._database, _RIGHTS)


async def _keep(connection: PooledConnection, messages: Sequence[QuarantinedMessage]) -> None:
    await connection.fetch(query("commit_to_disk"))
    await connection.execute(query("keep"), *_columns(messages))


def _columns(messages: Sequence[QuarantinedMessage]) -> list[list[object]]:
    return [
        [storable(message.origin.stream) for message in messages],
        [message.origin.stream_created_at for message in messages],
        [message.origin.sequence for message in messages],
        [storable(message.subject) for message in messages],
        [message.received_at for message in messages],
        [message.reason.value for message in messages],
        [message.detail for message in messages],
        [message.waiting for message in messages],
        [message.device_id for message in messages],
        [message.tenant_id for message in messages],
        [message.size_bytes for message in messages],
        [message.ciphertext.text for message in messages],
    ]


def storable(name: str) -> str:
    """The name with what PostgreSQL's text cannot hold (NUL, lone surrogates) written out.

    A subject is whatever a publisher chose, and must not keep its message out.
    """
    return name.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
