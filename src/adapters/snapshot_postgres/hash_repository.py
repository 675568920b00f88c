"""HashRepository over the backend's table of rows and our timelines beside it.

The rules of the timeline are carried out by `snapshot_ingest.store_batch`
(migrations/0019_cheaper_pass.sql), one call in one transaction a batch; here is what stands around
it: repetition, and finding the one row that the database refuses.
"""

import logging
from collections.abc import Sequence

from snapshot_domain.errors import Dependency
from snapshot_domain.model import EncryptedSnapshot, SnapshotKey
from snapshot_domain.outcome import ItemRefused, Orphaned
from snapshot_domain.ports import StoreAnswer
from snapshot_postgres.batch import answer_of, batch_columns, key_columns, look_columns, place_of
from snapshot_postgres.database import Database
from snapshot_postgres.errors import (
    DRIVER_ERRORS,
    OTHER_ISOLATION,
    Fault,
    FaultKind,
    fault_of,
)
from snapshot_postgres.health import APPLIED_MIGRATIONS, require_migrations, require_rights
from snapshot_postgres.pool import Pool, PooledConnection
from snapshot_postgres.sql import query
from snapshot_postgres.visibility import require_visible_devices

_logger = logging.getLogger(__name__)

_ONE_ITEMS_FAULT = (FaultKind.REFUSED, FaultKind.REFERENCE_GONE)

_RIGHTS = (
    ("public.devices", "SELECT"),
    ("public.router_config_snapshots", "SELECT"),
    ("public.router_config_snapshots", "INSERT"),
    ("snapshot_ingest.heads", "SELECT"),
    ("snapshot_ingest.heads", "INSERT"),
    ("snapshot_ingest.heads", "UPDATE"),
    ("snapshot_ingest.snapshots", "SELECT"),
    ("snapshot_ingest.snapshots", "INSERT"),
    ("snapshot_ingest.snapshots", "UPDATE"),
    ("snapshot_ingest.data_keys", "SELECT"),
    ("snapshot_ingest.data_keys", "INSERT"),
    ("snapshot_ingest.digest_keys", "SELECT"),
    APPLIED_MIGRATIONS,
)


class PostgresHashRepository:
    """Stores under forced row-level security, with a role that is no superuser and no owner.

    The pool is on loan; any number of tasks may use the repository at once.
    """

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)
        self._must_begin = False

    async def unchanged(self, keys: Sequence[SnapshotKey]) -> Sequence[bool]:
        """See HashRepository. One statement, whatever the number of keys."""
        if not keys:
            return []
        rows = await self._database.ask(query("unchanged"), *look_columns(keys))
        return [bool(row["same"]) for row in rows]

    async def store(self, batch: Sequence[EncryptedSnapshot]) -> Sequence[StoreAnswer]:
        """See HashRepository. One transaction and one round trip, unless a row is refused."""
        if not batch:
            return []
        order = sorted(range(len(batch)), key=lambda index: place_of(batch[index]))
        answers = await self._decide([batch[index] for index in order])
        if all(isinstance(answer, Orphaned) for answer in answers):
            await require_visible_devices(self._database)
        by_index = dict(zip(order, answers, strict=True))
        return [by_index[index] for index in range(len(batch))]

    async def check(self) -> None:
        """See HashRepository: asks for the rights, the migrations, and a server that writes."""
        await require_rights(self._database, _RIGHTS)
        await require_migrations(self._database)

    async def _decide(self, batch: Sequence[EncryptedSnapshot]) -> Sequence[StoreAnswer]:
        result = await self._store(batch)
        if isinstance(result, Fault) and result.kind is FaultKind.REFERENCE_GONE:
            # A device was deleted after it was looked up: the next look finds an orphan.
            result = await self._store(batch)
        if isinstance(result, Fault) and result.kind in _ONE_ITEMS_FAULT:
            result = await self._database.transact(
                lambda connection: _store_in_parts(connection, batch)
            )
        if isinstance(result, Fault):
            raise result.as_error(Dependency.REPOSITORY)
        return result

    async def _store(self, batch: Sequence[EncryptedSnapshot]) -> list[StoreAnswer] | Fault:
        """A statement alone is a transaction, and saves the two round trips around it.

        Sessions whose isolation is another than READ COMMITTED must say so each time.
        """
        if not self._must_begin:
            result = await self._database.at_once(lambda connection: _store(connection, batch))
            if not isinstance(result, Fault) or result.sqlstate != OTHER_ISOLATION:
                return result
            self._must_begin = True
        return await self._database.transact(lambda connection: _store(connection, batch))


async def _store(
    connection: PooledConnection, batch: Sequence[EncryptedSnapshot]
) -> list[StoreAnswer]:
    rows = await connection.fetch(query("store_batch"), *batch_columns(batch))
    return [answer_of(row) for row in rows]


async def _store_in_parts(
    connection: PooledConnection, batch: Sequence[EncryptedSnapshot]
) -> list[StoreAnswer]:
    """The same in one transaction, though the database refuses some of the batch."""
    devices, tenants, *_ = key_columns([snapshot.key for snapshot in batch])
    await connection.fetch(query("lock_devices"), devices, tenants)
    return await _store_part(connection, batch)


async def _store_part(
    connection: PooledConnection, part: Sequence[EncryptedSnapshot]
) -> list[StoreAnswer]:
    """Stores the part behind a savepoint; what is refused is halved until it is one item."""
    try:
        async with connection.transaction():
            return await _store(connection, part)
    except DRIVER_ERRORS as error:
        fault = fault_of(error)
        if fault.kind not in _ONE_ITEMS_FAULT:
            raise  # it undoes the transaction, and becomes ours where that ends
    if len(part) == 1:
        _logger.warning("PostgreSQL can never store one snapshot: %s", fault.describe())
        return [ItemRefused(Dependency.REPOSITORY)]
    middle = len(part) // 2
    first = await _store_part(connection, part[:middle])
    return first + await _store_part(connection, part[middle:])
