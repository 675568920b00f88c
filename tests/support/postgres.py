"""A database of its own for each test module, as a superuser sees it around the adapters."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from attrs import field, frozen

from snapshot_conformance.repository_world import RawRow, RawRun
from snapshot_domain.delivery import Origin
from snapshot_domain.errors import SnapshotIngestError
from snapshot_domain.model import Ciphertext, DeviceId, SnapshotFlag, SnapshotId, TenantId
from snapshot_domain.ports import QuarantinedMessage, QuarantineReason
from snapshot_postgres import (
    Pool,
    PostgresDeviceDirectory,
    PostgresHashRepository,
    PostgresQuarantine,
    PostgresQuarantineReview,
    PostgresStoredSnapshots,
    grant_ingest_role,
    migrate,
    open_pool,
)
from snapshot_postgres.pool import PooledConnection

INGEST_PASSWORD = "ingest-guards-nothing-here"


@frozen
class Database:
    """An empty database, and the superuser's way into it."""

    name: str
    admin_dsn: str
    admin: Pool

    @property
    def ingest_role(self) -> str:
        """Roles belong to the whole cluster, so each database has its own."""
        return f"ingest_{self.name}"

    def dsn_of(self, role: str) -> str:
        """The way into this database for another role; the password comes beside it."""
        parts = urlsplit(self.admin_dsn)
        return urlunsplit(parts._replace(netloc=f"{role}@{parts.hostname}:{parts.port}"))


@asynccontextmanager
async def fresh_database(cluster_dsn: str) -> AsyncIterator[Database]:
    """A new database on the cluster, gone afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    await _execute(cluster_dsn, f"CREATE DATABASE {name}")
    dsn = urlunsplit(urlsplit(cluster_dsn)._replace(path=f"/{name}"))
    async with await open_pool(dsn, max_size=4, application_name="tests") as admin:
        yield Database(name, dsn, admin)
    await _execute(cluster_dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(dsn: str, statement: str) -> None:
    """On a connection of its own: a test may have killed the server that an older one was to."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close(timeout=10)


@asynccontextmanager
async def migrated_database(cluster_dsn: str) -> AsyncIterator[Database]:
    """A new database with the backend's tables, our schema and the ingest role."""
    async with fresh_database(cluster_dsn) as database:
        async with database.admin.acquire(timeout=10) as connection:
            await migrate(connection, with_backend_tables=True)
            await grant_ingest_role(connection, database.ingest_role, INGEST_PASSWORD)
        yield database
        await database.admin.execute(f"DROP OWNED BY {database.ingest_role}")
        await database.admin.execute(f"DROP ROLE {database.ingest_role}")


@frozen
class PostgresWorld:
    """The adapters as the ingest role, and what is around them as the superuser."""

    database: Database
    pool: Pool
    repository: PostgresHashRepository = field(init=False)
    directory: PostgresDeviceDirectory = field(init=False)
    quarantine: PostgresQuarantine = field(init=False)

    @repository.default
    def _make_repository(self) -> PostgresHashRepository:
        return PostgresHashRepository(self.pool)

    @directory.default
    def _make_directory(self) -> PostgresDeviceDirectory:
        return PostgresDeviceDirectory(self.pool)

    @quarantine.default
    def _make_quarantine(self) -> PostgresQuarantine:
        return PostgresQuarantine(self.pool)

    @property
    def stored_snapshots(self) -> PostgresStoredSnapshots:
        """What was stored, as the ingest role reads it."""
        return PostgresStoredSnapshots(self.pool)

    @property
    def review(self) -> PostgresQuarantineReview:
        """What a person decides with, as the ingest role."""
        return PostgresQuarantineReview(self.pool)

    @property
    def admin(self) -> Pool:
        """The superuser's connections."""
        return self.database.admin

    @asynccontextmanager
    async def session_of_its_own(self) -> AsyncIterator[PooledConnection]:
        """A new connection of the ingest role, which nobody else uses."""
        dsn = self.database.dsn_of(self.database.ingest_role)
        async with (
            await open_pool(dsn, password=INGEST_PASSWORD, max_size=1) as pool,
            pool.acquire(timeout=10) as connection,
        ):
            yield connection

    async def register(self, device: DeviceId, tenant: TenantId) -> None:
        """See RepositoryWorld."""
        await self.admin.execute(
            "INSERT INTO tenants VALUES ($1, $2) ON CONFLICT DO NOTHING", tenant, str(tenant)
        )
        await self.admin.execute(
            "INSERT INTO devices VALUES ($1, $2, 'router', '192.0.2.1')"
            " ON CONFLICT (id) DO UPDATE SET tenant_id = $2",
            device,
            tenant,
        )

    async def remove(self, device: DeviceId) -> None:
        """See RepositoryWorld."""
        await self.admin.execute("DELETE FROM devices WHERE id = $1", device)

    async def delete_row(self, snapshot_id: SnapshotId) -> None:
        """See RepositoryWorld."""
        status = await self.admin.execute(
            "DELETE FROM router_config_snapshots WHERE id = $1", snapshot_id
        )
        assert status == "DELETE 1"

    async def until_somebody_waits(self) -> None:
        """Returns when a session of this database waits for another's lock."""
        async with asyncio.timeout(10):
            while not await self.admin.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock')"
            ):
                pass

    async def rows(self, device: DeviceId) -> Sequence[RawRow]:
        """See RepositoryWorld."""
        rows = await self.admin.fetch(
            "SELECT * FROM router_config_snapshots WHERE device_id = $1", device
        )
        return [
            RawRow(
                SnapshotId(row["id"]),
                DeviceId(row["device_id"]),
                TenantId(row["tenant_id"]),
                row["collected_at"],
                row["config_text"],
                row["sha256_hash"],
            )
            for row in rows
        ]

    async def runs(self, device: DeviceId) -> Sequence[RawRun]:
        """See RepositoryWorld; on the way, the head must point at the newest run."""
        async with (
            self.admin.acquire(timeout=10) as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            runs = await connection.fetch(
                "SELECT * FROM snapshot_ingest.snapshots WHERE device_id = $1"
                " ORDER BY collected_at, sequence, snapshot_id",
                device,
            )
            head = await connection.fetchrow(
                "SELECT * FROM snapshot_ingest.heads WHERE device_id = $1", device
            )
        if runs:
            assert head is not None
            for column in ("snapshot_id", "tenant_id", "digest", "collected_at", "sequence"):
                assert head[column] == runs[-1][column]
        else:
            assert head is None or head["snapshot_id"] is None
        return [
            RawRun(
                SnapshotId(run["snapshot_id"]),
                TenantId(run["tenant_id"]),
                run["digest"].hex(),
                (run["collected_at"], run["sequence"]),
                (run["last_seen"], run["last_seen_sequence"]),
                SnapshotFlag(run["flags"]),
            )
            for run in runs
        ]

    async def kept(self, stream: str) -> Sequence[QuarantinedMessage]:
        """See QuarantineWorld."""
        rows = await self.admin.fetch(
            "SELECT * FROM snapshot_ingest.quarantine WHERE stream = $1 AND state = 'kept'"
            " ORDER BY stream_created_at, sequence",
            stream,
        )
        return [
            QuarantinedMessage(
                origin=Origin(row["stream"], row["stream_created_at"], row["sequence"]),
                subject=row["subject"],
                received_at=row["received_at"],
                reason=QuarantineReason(row["reason"]),
                detail=row["detail"],
                waiting=row["waiting"],
                device_id=row["device_id"],
                tenant_id=row["tenant_id"],
                size_bytes=row["size_bytes"],
                ciphertext=Ciphertext(row["ciphertext"]),
            )
            for row in rows
        ]


def assert_tells_nothing(error: SnapshotIngestError) -> None:
    """Neither the error nor anything that travels with it holds a row."""
    assert "vault:" not in f"{error} {error!r} {error.args} {vars(error)}"
    assert error.__cause__ is None
    assert error.__context__ is None


@asynccontextmanager
async def postgres_world(cluster_dsn: str) -> AsyncIterator[PostgresWorld]:
    """A world on a database of its own."""
    async with (
        migrated_database(cluster_dsn) as database,
        await open_pool(
            database.dsn_of(database.ingest_role), password=INGEST_PASSWORD, max_size=8
        ) as pool,
    ):
        yield PostgresWorld(database, pool)
