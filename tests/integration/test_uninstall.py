"""`snapshot-ingest uninstall`: our schema goes, and the backend's tables are as they were."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from snapshot_ingest.stack import EmbeddedStack
from support.backend_commands import Backend, backend_with_rows
from support.uninstall_tests import UninstallTests


@pytest.fixture
async def backend(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[Backend]:
    dsn = stack.addresses.postgres_admin_dsn
    async with backend_with_rows(dsn, tmp_path, "AABCA") as backend:
        yield backend


class TestUninstall(UninstallTests):
    """On the embedded server."""
