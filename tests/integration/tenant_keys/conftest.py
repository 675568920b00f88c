"""An installation of each module's own: what is done to its keys disturbs no other test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from snapshot_ingest.embedded.setting_up import set_up
from snapshot_ingest.stack import EmbeddedStack
from support.installation import Fleet, Installation
from support.openbao import RawOpenBao


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything of the module is."""
    return tmp_path_factory.mktemp("tenant-keys")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(folder: Path) -> AsyncIterator[EmbeddedStack]:
    """The servers, as `up` starts them."""
    async with EmbeddedStack(folder / "stack") as stack:
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def raw(servers: EmbeddedStack) -> AsyncIterator[RawOpenBao]:
    """OpenBao around the adapters."""
    async with RawOpenBao.of(servers) as raw:
        yield raw


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def installation(servers: EmbeddedStack, folder: Path) -> Installation:
    """The servers with settings, and people at the command line."""
    return Installation(await set_up(folder / "stack", servers.addresses, []), folder)


@pytest.fixture
def fleet() -> Fleet:
    """A tenant and a device of the test's own."""
    return Fleet()
