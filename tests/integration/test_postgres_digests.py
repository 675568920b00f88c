"""The contract of keyed digests on the real PostgreSQL, as the ingest role and the operator."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from snapshot_conformance.keyed_digests import KeyedDigestsContract, Ledger
from snapshot_domain.errors import Misconfigured
from snapshot_ingest.stack import EmbeddedStack
from support.operated import OperatedWorld, operated_world


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres(stack: EmbeddedStack) -> AsyncIterator[OperatedWorld]:
    async with operated_world(stack.addresses.postgres_admin_dsn) as world:
        yield world


class TestPostgresKeyedDigests(KeyedDigestsContract):
    @pytest.fixture
    async def world(self, postgres: OperatedWorld) -> OperatedWorld:
        await postgres.begin_without_keyed_digests()
        return postgres


async def test_the_head_is_swapped_with_its_run(postgres: OperatedWorld) -> None:
    await postgres.begin_without_keyed_digests()
    ledger = Ledger(postgres)
    await ledger.begin()
    await ledger.stored("A", 1)
    await ledger.stored("B", 2)
    await ledger.swap(*map(ledger.swap_of, await ledger.plain()))
    heads = await postgres.admin.fetch(
        "SELECT digest, digest_key FROM snapshot_ingest.heads WHERE device_id = $1", ledger.device
    )
    keyed = bytes.fromhex(ledger.keyed_digest("B").hex)
    assert [tuple(head) for head in heads] == [(keyed, ledger.digest_key.key_id)]


async def test_a_swap_sees_what_whoever_holds_the_device_made_of_its_text(
    postgres: OperatedWorld,
) -> None:
    await postgres.begin_without_keyed_digests()
    ledger = Ledger(postgres)
    await ledger.begin()
    await ledger.stored("A", 1)
    [record] = await ledger.plain()
    async with postgres.admin.acquire(timeout=10) as holder, holder.transaction():
        await holder.execute(
            "SELECT FROM snapshot_ingest.heads WHERE device_id = $1 FOR UPDATE", ledger.device
        )
        await holder.execute(
            "UPDATE snapshot_ingest.snapshots SET format = 'envelope' WHERE snapshot_id = $1",
            record.snapshot_id,
        )
        swapping = asyncio.create_task(ledger.swap(ledger.swap_of(record)))
        await postgres.until_somebody_waits()
    assert await swapping == set()
    assert await ledger.digests() == {record.digest.hex}


async def test_a_bound_text_that_is_hidden_is_not_taken_for_gone(postgres: OperatedWorld) -> None:
    await postgres.begin_without_keyed_digests()
    ledger = Ledger(postgres)
    await ledger.begin()
    await ledger.store_enveloped(1)
    async with _rows_hidden(postgres):
        [record] = await ledger.plain()
        assert record.ciphertext is None
        assert await ledger.swap(ledger.swap_of(record)) == set()
    [record] = await ledger.plain()
    assert record.ciphertext is not None


@asynccontextmanager
async def _rows_hidden(postgres: OperatedWorld) -> AsyncIterator[None]:
    """As where the backend gave its setting another name."""
    policy = "ALTER POLICY tenant_isolation ON router_config_snapshots USING"
    await postgres.admin.execute(f"{policy} (false)")
    try:
        yield
    finally:
        await postgres.admin.execute(
            f"{policy} (tenant_id::text = current_setting('app.current_tenant', true))"
        )


async def test_a_worker_with_plain_digests_is_told_what_to_set(postgres: OperatedWorld) -> None:
    await postgres.begin_without_keyed_digests()
    ledger = Ledger(postgres)
    await ledger.begin()
    await ledger.keep_key()
    with pytest.raises(Misconfigured, match='set digest = "keyed" for every worker'):
        await ledger.tell("A", 1)
