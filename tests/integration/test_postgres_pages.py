"""What PostgreSQL looks at for a page of a tenant's texts, in a database with no others."""

import json
from uuid import uuid4

import pytest

from rotating.filling import fill_tenant
from snapshot_domain.model import TenantId
from snapshot_domain.rewriting import FIRST
from snapshot_ingest.stack import EmbeddedStack
from support.operated import OperatedWorld, operated_world

TEXTS_A_PAGE = 100
BLOCKS_A_TEXT_AT_MOST = 20


async def blocks_read(world: OperatedWorld, plans: str, tenant_id: TenantId, after: object) -> int:
    """How many blocks PostgreSQL looks at for the page of 100 texts that begins there."""
    async with world.operating.acquire(timeout=10) as connection, connection.transaction():
        await connection.execute(f"SET LOCAL plan_cache_mode = {plans}")
        plan = await connection.fetchval(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)"
            " SELECT * FROM snapshot_ingest.texts_under_other_versions($1, 2, $2, 100, 1000000)",
            tenant_id,
            after,
        )
    return int(json.loads(plan)[0]["Plan"]["Shared Hit Blocks"])


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_a_page_costs_the_same_however_many_texts_stand_before_it(
    stack: EmbeddedStack, plans: str
) -> None:
    tenant_id = TenantId(uuid4())
    async with operated_world(stack.addresses.postgres_admin_dsn) as world:
        await fill_tenant(world.database, tenant_id, ["vault:v1:" + "x" * 100], 5_000, "transit")
        await world.admin.execute("ANALYZE")
        ids = await world.admin.fetch("SELECT id FROM router_config_snapshots ORDER BY id")
        first = await blocks_read(world, plans, tenant_id, FIRST)
        last = await blocks_read(world, plans, tenant_id, ids[-TEXTS_A_PAGE - 1]["id"])
    assert max(first, last) < BLOCKS_A_TEXT_AT_MOST * TEXTS_A_PAGE
