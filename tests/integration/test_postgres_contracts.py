"""The contracts of every port over PostgreSQL, on the real one."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from snapshot_conformance.ack_floors import AckFloorsContract
from snapshot_conformance.device_directory import DeviceDirectoryContract
from snapshot_conformance.hash_repository import HashRepositoryContract
from snapshot_conformance.kept_positions import KeptPositionsContract
from snapshot_conformance.quarantine import QuarantineContract
from snapshot_conformance.stored_snapshots import StoredSnapshotsContract
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import PostgresAckFloors, PostgresKeptPositions
from support.postgres import PostgresWorld, postgres_world


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres(stack: EmbeddedStack) -> AsyncIterator[PostgresWorld]:
    """One database for this module: each test makes devices of its own."""
    async with postgres_world(stack.addresses.postgres_admin_dsn) as world:
        yield world


class TestPostgresHashRepository(HashRepositoryContract):
    @pytest.fixture
    async def world(self, postgres: PostgresWorld) -> PostgresWorld:
        return postgres


class TestPostgresStoredSnapshots(StoredSnapshotsContract):
    @pytest.fixture
    async def world(self, postgres: PostgresWorld) -> PostgresWorld:
        return postgres


class TestPostgresKeptPositions(KeptPositionsContract):
    @pytest.fixture
    async def positions(self, postgres: PostgresWorld) -> PostgresKeptPositions:
        return PostgresKeptPositions(postgres.pool)


class TestPostgresDeviceDirectory(DeviceDirectoryContract):
    @pytest.fixture
    async def world(self, postgres: PostgresWorld) -> PostgresWorld:
        return postgres


class TestPostgresQuarantine(QuarantineContract):
    @pytest.fixture
    async def world(self, postgres: PostgresWorld) -> PostgresWorld:
        return postgres


class TestPostgresAckFloors(AckFloorsContract):
    @pytest.fixture
    async def floors(self, postgres: PostgresWorld) -> PostgresAckFloors:
        return PostgresAckFloors(postgres.pool)
