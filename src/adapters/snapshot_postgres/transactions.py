"""The transactions that are at work on the backend's table, for whoever waits for their end."""

from attrs import frozen

from snapshot_domain.errors import Dependency
from snapshot_postgres.database import Database
from snapshot_postgres.pool import Pool
from snapshot_postgres.sql import query


@frozen
class Transaction:
    """One transaction, never taken for a later one; `pid` is its server process, 0 without one."""

    name: str
    pid: int


class PostgresTransactions:
    """Sees all sessions of the database, whoever they are; any role may."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)

    async def at_work(self) -> frozenset[Transaction]:
        """Those of others that have touched the backend's table, or wait to, and have not ended.

        What any of them commits is seen once it is no longer among them. Raises `Unavailable` or
        `Misconfigured`.
        """
        rows = await self._database.ask(query("transactions_at_work"))
        return frozenset(Transaction(row["transaction"], row["pid"]) for row in rows)
