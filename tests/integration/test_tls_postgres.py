"""TLS to PostgreSQL, which the wheel is built without: a front speaks it, the rest is the server.

The same suite runs against a server that speaks it itself in tests/system.
"""

from collections.abc import AsyncIterator

import pytest

from snapshot_ingest.stack import EmbeddedStack
from support.authority import Authority
from support.postgres import fresh_database
from support.postgres_front import PostgresFront
from support.tls_of_postgres import TlsOfPostgres


@pytest.fixture(scope="module")
async def server(stack: EmbeddedStack) -> AsyncIterator[PostgresFront]:
    async with fresh_database(stack.addresses.postgres_admin_dsn) as database:
        yield PostgresFront(database.admin_dsn)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class TestTlsOfPostgresFront(TlsOfPostgres):
    """The front's TLS."""
