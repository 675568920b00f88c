"""Ingestion, `show` and `rewrap` with deploy/postgres/policies.sql on the backend's tables."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from snapshot_postgres import connected
from support.installation import Fleet, Installation
from support.messages import MORNING
from support.openbao import RawOpenBao
from support.owned import psql
from support.shredding import count, insert_foreign_row

_HOUR = timedelta(hours=1)
_ROLES = ("-v", "ingest=snapshot_ingest_worker")  # the reader and operator have the usual names
# As though the backend had renamed its setting: its own policies show our functions nothing.
_HIDE = (
    "ALTER POLICY tenant_isolation ON devices USING (false)",
    "ALTER POLICY tenant_isolation ON router_config_snapshots USING (false)",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def policies(installation: Installation) -> AsyncIterator[None]:
    dsn = installation.ready.addresses.postgres_admin_dsn
    code, said = await psql(dsn, "policies.sql", *_ROLES)
    assert code == 0, said
    yield
    assert (await psql(dsn, "policies_undo.sql"))[0] == 0


@pytest.fixture
async def blind(installation: Installation) -> AsyncIterator[None]:
    """The backend's own policies show nothing, whatever the setting."""
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        former = await admin.fetch(
            "SELECT tablename, qual FROM pg_policies WHERE policyname = 'tenant_isolation'"
        )
        for statement in _HIDE:
            await admin.execute(statement)
        yield
        for table, qual in former:
            await admin.execute(f"ALTER POLICY tenant_isolation ON {table} USING ({qual})")


async def _ingest(installation: Installation, fleet: Fleet) -> None:
    """Three texts: two in order, one late that splits nothing, and one twice."""
    await installation.register(fleet)
    texts = [("one", 0), ("two", 1), ("two", 2), ("three", 4)]
    await installation.ingest(
        fleet, *(fleet.body(text, MORNING + hours * _HOUR) for text, hours in texts)
    )


async def _ingest_show_rewrap(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> dict[str, object]:
    """What `rewrap` says of the tenant after its key was rotated."""
    await _ingest(installation, fleet)
    assert await count(installation, "router_config_snapshots", fleet) == 3
    shown = await installation.command("show", fleet.device)
    assert (shown.code, shown.out) == (0, b"three"), shown.err
    await raw.call("POST", f"transit/keys/tenant_{fleet.tenant}/rotate")
    ended = await installation.command("rewrap", "--tenant", fleet.tenant, "--json")
    assert (ended.code, ended.json["rewrapped"]) == (0, 3), ended.err
    (tenant,) = ended.json["tenants"]
    shown = await installation.command("show", fleet.device)
    assert (shown.code, shown.out) == (0, b"three"), shown.err
    return dict(tenant)


async def test_ingestion_show_and_rewrap_go_on_as_without_them(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    tenant = await _ingest_show_rewrap(installation, raw, fleet)
    assert (tenant["oldest_in_use"], tenant["newest"]) == (2, 2)


async def test_they_go_on_where_the_backends_policies_show_them_nothing(
    installation: Installation, raw: RawOpenBao, fleet: Fleet, blind: None
) -> None:
    del blind
    tenant = await _ingest_show_rewrap(installation, raw, fleet)
    assert (tenant["oldest_in_use"], tenant["newest"]) == (2, 2)


async def test_rows_of_other_tenants_are_not_counted_as_rows_that_others_wrote(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    other = Fleet()
    await installation.register(other)
    await insert_foreign_row(installation, other, "vault:v1:AAAA")
    tenant = await _ingest_show_rewrap(installation, raw, fleet)
    assert tenant["rows_of_others"] == 0
    await insert_foreign_row(installation, fleet, "vault:v1:AAAA")
    ended = await installation.command("rewrap", "--tenant", fleet.tenant, "--json")
    assert ended.json["tenants"][0]["rows_of_others"] == 1
