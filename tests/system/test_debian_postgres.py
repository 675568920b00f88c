"""The contracts of the PostgreSQL adapters on the version that Debian ships."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from snapshot_conformance.device_directory import DeviceDirectoryContract
from snapshot_conformance.hash_repository import HashRepositoryContract
from snapshot_conformance.quarantine import QuarantineContract
from support.postgres import PostgresWorld, postgres_world


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres(debian_postgres: str) -> AsyncIterator[PostgresWorld]:
    async with postgres_world(debian_postgres) as world:
        yield world


async def test_it_is_another_version_than_the_embedded_one(postgres: PostgresWorld) -> None:
    assert int(await postgres.admin.fetchval("SHOW server_version_num")) < 180_000


class TestDebianHashRepository(HashRepositoryContract):
    @pytest.fixture
    async def world(self, postgres: PostgresWorld) -> PostgresWorld:
        return postgres


class TestDebianDeviceDirectory(DeviceDirectoryContract):
    @pytest.fixture
    async def world(self, postgres: PostgresWorld) -> PostgresWorld:
        return postgres


class TestDebianQuarantine(QuarantineContract):
    @pytest.fixture
    async def world(self, postgres: PostgresWorld) -> PostgresWorld:
        return postgres
