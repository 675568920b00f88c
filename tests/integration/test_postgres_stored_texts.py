"""The contract of StoredTexts on the real PostgreSQL, as the operator's role."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from snapshot_conformance.stored_texts import Shelf, StoredTextsContract, renewed
from snapshot_ingest.stack import EmbeddedStack
from support.operated import OperatedWorld, operated_world


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres(stack: EmbeddedStack) -> AsyncIterator[OperatedWorld]:
    async with operated_world(stack.addresses.postgres_admin_dsn) as world:
        yield world


class TestPostgresStoredTexts(StoredTextsContract):
    @pytest.fixture
    async def world(self, postgres: OperatedWorld) -> OperatedWorld:
        return postgres


async def test_a_swap_waits_for_whoever_decides_on_the_device(postgres: OperatedWorld) -> None:
    shelf = await Shelf(postgres).fill(1)
    swaps = [renewed(each) for each in await shelf.behind()]
    async with postgres.admin.acquire(timeout=10) as worker, worker.transaction():
        await worker.execute(
            "SELECT FROM snapshot_ingest.heads WHERE device_id = $1 FOR UPDATE", shelf.device
        )
        swapping = asyncio.create_task(postgres.stored_texts.swap(swaps))
        await postgres.until_somebody_waits()
        assert len(await shelf.behind()) == 1
    assert await swapping == {swap.stored.snapshot_id for swap in swaps}
