"""Rows that the backend's former subscriber wrote become runs of the timelines."""

from collections.abc import AsyncIterator

import pytest

from snapshot_ingest.stack import EmbeddedStack
from support.backend_database import BackendWorld, backend_world
from support.backfill_tests import BackfillTests


@pytest.fixture
async def world(stack: EmbeddedStack) -> AsyncIterator[BackendWorld]:
    """A database for each test: a backfill goes through all of it."""
    async with backend_world(stack.addresses.postgres_admin_dsn) as running:
        yield running


class TestBackfill(BackfillTests):
    """On the embedded server."""
