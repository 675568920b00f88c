"""HashRepository, DeviceDirectory, Quarantine and AckFloors over PostgreSQL, with asyncpg.

The backend owns `devices` and `router_config_snapshots`, under forced row-level security, and
nothing here alters them. What the timelines need beside them is kept in the schema
`snapshot_ingest` (migrations/): a head a device, which is the lock and points at the newest
run, and a run a stored snapshot. A batch is decided by one function of that schema in one
transaction (migrations/0014_store_by_either_digest.sql reads like the rules of the timeline);
Python turns it into arrays, repeats what is worth repeating, finds the one row that is refused,
and turns the driver's errors into the domain's (errors.py, one table).

The ingest role has SELECT on `devices`, SELECT and INSERT on `router_config_snapshots`, and
its own schema; the functions run with the caller's rights and set `app.current_tenant` for
one transaction only.
"""

from snapshot_postgres.ack_floors import PostgresAckFloors
from snapshot_postgres.backfill import Backfill, Filled
from snapshot_postgres.connecting import connected
from snapshot_postgres.device_directory import PostgresDeviceDirectory
from snapshot_postgres.digest_keys import PostgresDigestKeys
from snapshot_postgres.digest_records import PostgresDigestRecords
from snapshot_postgres.hash_repository import PostgresHashRepository
from snapshot_postgres.host_pool import host_pool
from snapshot_postgres.kept_positions import PostgresKeptPositions
from snapshot_postgres.migrate import migrate
from snapshot_postgres.pool import Connection, Pool, open_pool
from snapshot_postgres.quarantine import PostgresQuarantine
from snapshot_postgres.quarantine_review import PostgresQuarantineReview
from snapshot_postgres.reader import PostgresSnapshotReader, StoredSnapshot
from snapshot_postgres.roles import grant_ingest_role, grant_operator_role, grant_reader_role
from snapshot_postgres.status import PostgresStatus, StoreStatus
from snapshot_postgres.stored_snapshots import PostgresStoredSnapshots
from snapshot_postgres.stored_texts import PostgresStoredTexts
from snapshot_postgres.tenant_records import PostgresTenantRecords
from snapshot_postgres.tenant_rows import PostgresTenantRows
from snapshot_postgres.transactions import PostgresTransactions, Transaction
from snapshot_postgres.uninstall import Installed, look_at_installation, uninstall
from snapshot_postgres.waiting_messages import PostgresWaitingMessages

__all__ = [
    "Backfill",
    "Connection",
    "Filled",
    "Installed",
    "Pool",
    "PostgresAckFloors",
    "PostgresDeviceDirectory",
    "PostgresDigestKeys",
    "PostgresDigestRecords",
    "PostgresHashRepository",
    "PostgresKeptPositions",
    "PostgresQuarantine",
    "PostgresQuarantineReview",
    "PostgresSnapshotReader",
    "PostgresStatus",
    "PostgresStoredSnapshots",
    "PostgresStoredTexts",
    "PostgresTenantRecords",
    "PostgresTenantRows",
    "PostgresTransactions",
    "PostgresWaitingMessages",
    "StoreStatus",
    "StoredSnapshot",
    "Transaction",
    "connected",
    "grant_ingest_role",
    "grant_operator_role",
    "grant_reader_role",
    "host_pool",
    "look_at_installation",
    "migrate",
    "open_pool",
    "uninstall",
]
