"""The backend's own database on the PostgreSQL that Debian ships: before us, with us, after us."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.backend_commands import Backend, backend_with_rows
from support.backend_database import BackendWorld, backend_world
from support.backfill_tests import BackfillTests
from support.uninstall_tests import UninstallTests


@pytest.fixture
async def world(debian_postgres: str) -> AsyncIterator[BackendWorld]:
    async with backend_world(debian_postgres) as running:
        yield running


@pytest.fixture
async def backend(debian_postgres: str, tmp_path: Path) -> AsyncIterator[Backend]:
    async with backend_with_rows(debian_postgres, tmp_path, "AABCA") as backend:
        yield backend


class TestDebianBackfill(BackfillTests):
    """See there."""


class TestDebianUninstall(UninstallTests):
    """See there."""
