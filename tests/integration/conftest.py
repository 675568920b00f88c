"""The real servers, started once for all integration tests."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from snapshot_ingest.stack import EmbeddedStack
from support.nats_users import STACK_USERS


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """A running stack that all tests share: each makes streams, rows and keys of its own."""
    async with EmbeddedStack(tmp_path_factory.mktemp("stack"), nats_users=STACK_USERS) as running:
        yield running
