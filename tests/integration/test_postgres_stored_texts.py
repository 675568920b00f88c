"""The contract of StoredTexts on the real PostgreSQL, as the operator's role."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from attrs import frozen

from rotating.filling import fill_tenant
from snapshot_conformance.stored_texts import Shelf, StoredTextsContract, renewed
from snapshot_domain.model import TenantId
from snapshot_domain.rewriting import FIRST
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import Pool, PostgresStoredTexts, grant_operator_role, open_pool
from support.postgres import PostgresWorld, postgres_world

PASSWORD = "operator-guards-nothing-here"


@frozen(kw_only=True)
class OperatedWorld(PostgresWorld):
    """The adapters of the ingest role, and beside them an operator's."""

    operating: Pool

    @property
    def stored_texts(self) -> PostgresStoredTexts:
        return PostgresStoredTexts(self.operating)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres(stack: EmbeddedStack) -> AsyncIterator[OperatedWorld]:
    async with postgres_world(stack.addresses.postgres_admin_dsn) as world:
        role = f"operator_{world.database.name}"
        async with world.admin.acquire(timeout=10) as connection:
            await grant_operator_role(connection, role, PASSWORD)
        async with await open_pool(world.database.dsn_of(role), password=PASSWORD) as pool:
            yield OperatedWorld(world.database, world.pool, operating=pool)
        await world.admin.execute(f"DROP OWNED BY {role}")
        await world.admin.execute(f"DROP ROLE {role}")


class TestPostgresStoredTexts(StoredTextsContract):
    @pytest.fixture
    async def world(self, postgres: OperatedWorld) -> OperatedWorld:
        return postgres


async def blocks_read(world: OperatedWorld, tenant_id: TenantId, after: object) -> int:
    """How many blocks PostgreSQL looks at for the page of 100 texts that begins there."""
    plan = await world.operating.fetchval(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)"
        " SELECT * FROM snapshot_ingest.texts_under_other_versions($1, 2, $2, 100, 1000000)",
        tenant_id,
        after,
    )
    return int(json.loads(plan)[0]["Plan"]["Shared Hit Blocks"])


async def test_a_page_costs_the_same_whatever_stands_before_it_or_is_another_tenants(
    postgres: OperatedWorld,
) -> None:
    tenant_id, other = TenantId(uuid4()), TenantId(uuid4())
    for each in (tenant_id, other):
        await fill_tenant(postgres.database, each, ["vault:v1:" + "x" * 100], 5_000, "transit")
    await postgres.admin.execute("ANALYZE")
    ids = await postgres.admin.fetch(
        "SELECT id FROM router_config_snapshots WHERE tenant_id = $1 ORDER BY id", tenant_id
    )
    first = await blocks_read(postgres, tenant_id, FIRST)
    last = await blocks_read(postgres, tenant_id, ids[-101]["id"])
    assert last < 1.5 * first
    assert first < 20 * 100


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
