"""deploy/postgres: run by the tables' owner with psql, and taken back without a trace."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import grant_ingest_role, grant_operator_role, grant_reader_role
from support.owned import PASSWORD, Owned, owned_database

_GRANTS = {
    "ingest": grant_ingest_role,
    "reader": grant_reader_role,
    "operator": grant_operator_role,
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def owned(stack: EmbeddedStack) -> AsyncIterator[Owned]:
    async with owned_database(stack.addresses.postgres_admin_dsn) as owned:
        yield owned


@pytest_asyncio.fixture(loop_scope="session")
async def role(owned: Owned) -> AsyncIterator[str]:
    """A role that may log in, and nothing more."""
    name, admin = f"role_{uuid4().hex[:8]}", owned.database.admin
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    yield name
    await admin.execute(f"DROP OWNED BY {name}")
    await admin.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize("which", sorted(_GRANTS))
async def test_the_owner_grants_what_the_code_grants_and_takes_all_of_it_back(
    owned: Owned, role: str, which: str
) -> None:
    before = await owned.backends_own()
    app_user = await owned.rights("app_user")
    assert app_user
    twin = f"{role}_twin"
    async with owned.database.admin.acquire(timeout=10) as connection:
        await _GRANTS[which](connection, twin, PASSWORD)
    try:
        wanted = await owned.rights(twin)
    finally:
        await owned.database.admin.execute(f"DROP OWNED BY {twin}")
        await owned.database.admin.execute(f"DROP ROLE {twin}")
    for _ in range(2):
        assert (await owned.psql(f"{which}.sql", "-v", f"role={role}"))[0] == 0
        # PUBLIC has the schema public; the tables' owner need not own that, and gives no more.
        assert await owned.rights(role) == wanted - {("schema public", "USAGE")}
    assert await owned.rights("app_user") == app_user
    assert (await owned.psql("undo.sql", "-v", f"role={role}"))[0] == 0
    assert await owned.rights(role) == set()
    assert await owned.rights("app_user") == app_user
    assert await owned.backends_own() == before


async def test_an_undo_without_a_role_says_so_and_does_nothing(owned: Owned, role: str) -> None:
    await owned.psql("ingest.sql", "-v", f"role={role}")
    rights = await owned.rights(role)
    _, said = await owned.psql("undo.sql")
    assert "name the role" in said
    assert await owned.rights(role) == rights != set()


async def test_a_role_that_is_not_there_fails_and_grants_nothing(owned: Owned) -> None:
    code, said = await owned.psql("operator.sql", "-v", "role=nobody_at_all")
    assert code != 0
    assert 'role "nobody_at_all" does not exist' in said


_FORBIDDEN = {
    "ingest": [
        "SELECT FROM tenants",
        "UPDATE devices SET hostname = 'x'",
        "UPDATE router_config_snapshots SET config_text = 'x'",
        "DELETE FROM router_config_snapshots",
        "DELETE FROM snapshot_ingest.heads",
        "DELETE FROM snapshot_ingest.positions",
        "DELETE FROM snapshot_ingest.quarantine",
        "UPDATE snapshot_ingest.data_keys SET wrapped_key = 'x'",
        "DELETE FROM snapshot_ingest.data_keys",
    ],
    "reader": [
        "SELECT FROM devices",
        "INSERT INTO router_config_snapshots SELECT FROM router_config_snapshots",
        "UPDATE snapshot_ingest.heads SET sequence = 1",
        "UPDATE snapshot_ingest.quarantine SET state = 'dropped', ciphertext = NULL",
        "DELETE FROM snapshot_ingest.data_keys",
    ],
    "operator": [
        "SELECT FROM devices",
        "SELECT ciphertext FROM snapshot_ingest.quarantine",
        "SELECT subject FROM snapshot_ingest.quarantine",
        "UPDATE snapshot_ingest.quarantine SET reason = 'x'",
        "DELETE FROM snapshot_ingest.quarantine",
        "UPDATE router_config_snapshots SET tenant_id = gen_random_uuid()",
        "INSERT INTO router_config_snapshots SELECT FROM router_config_snapshots",
        "DELETE FROM router_config_snapshots",
        "INSERT INTO snapshot_ingest.heads (device_id) VALUES (gen_random_uuid())",
        "SELECT snapshot_ingest.forget_settled('S', now(), 1)",
    ],
}
_EVERYBODYS = [
    "TRUNCATE router_config_snapshots",
    "ALTER TABLE router_config_snapshots NO FORCE ROW LEVEL SECURITY",
    "CREATE POLICY p ON router_config_snapshots USING (true)",
    "INSERT INTO snapshot_ingest.migrations VALUES ('x', 'x')",
    "CREATE TABLE snapshot_ingest.mine ()",
    "CREATE TABLE public.mine ()",
    "SET SESSION AUTHORIZATION postgres",
    "COPY snapshot_ingest.migrations TO PROGRAM 'true'",
    "SELECT pg_read_file('postgresql.conf')",
]


@pytest.mark.parametrize("which", sorted(_FORBIDDEN))
async def test_a_role_is_refused_what_is_not_its_own(owned: Owned, role: str, which: str) -> None:
    await owned.psql(f"{which}.sql", "-v", f"role={role}")
    connection = await owned.login(role)
    try:
        for statement in [*_FORBIDDEN[which], *_EVERYBODYS]:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close(timeout=10)


@pytest.mark.parametrize("which", sorted(_GRANTS))
async def test_row_level_security_holds_for_every_role(owned: Owned, role: str, which: str) -> None:
    await owned.psql(f"{which}.sql", "-v", f"role={role}")
    tenant, device = uuid4(), uuid4()
    admin = owned.database.admin
    await admin.execute("INSERT INTO tenants VALUES ($1, $2)", tenant, str(tenant))
    await admin.execute("INSERT INTO devices VALUES ($1, $2, 'r', 'r')", device, tenant)
    await admin.execute(
        "INSERT INTO router_config_snapshots (device_id, tenant_id, config_text, sha256_hash)"
        " VALUES ($1, $2, 'vault:v1:x', 'x')",
        device,
        tenant,
    )
    connection = await owned.login(role)
    look = "SELECT count(*) FROM router_config_snapshots WHERE tenant_id = $1"
    try:
        assert await connection.fetchval(look, tenant) == 0
        await connection.execute("SET app.current_tenant = 'super_admin'")
        assert await connection.fetchval(look, tenant) == 0
        await connection.execute(f"SET app.current_tenant = '{tenant}'")
        assert await connection.fetchval(look, tenant) == 1
    finally:
        await connection.close(timeout=10)
