"""The services' roles: what each may do, what it may not, and what the server learns of them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from snapshot_domain.errors import Misconfigured
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import grant_ingest_role, grant_reader_role
from support.postgres import Database, migrated_database

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Grant: TypeAlias = Callable[[Connection, str, str], Awaitable[None]]

PASSWORD = "correct horse battery staple: ~'\"$1"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(stack: EmbeddedStack) -> AsyncIterator[Database]:
    async with migrated_database(stack.addresses.postgres_admin_dsn) as fresh:
        yield fresh


@pytest.fixture
async def admin(database: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database.admin_dsn, timeout=10)
    yield connection
    await connection.close(timeout=10)


@pytest.fixture
async def role(database: Database) -> AsyncIterator[str]:
    """The name of a role that does not exist yet; odd, so that it must be quoted."""
    name = f'Ingest "{uuid4().hex[:8]}"'
    yield name
    quoted = name.replace('"', '""')
    if await database.admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await database.admin.execute(f'DROP OWNED BY "{quoted}"')
        await database.admin.execute(f'DROP ROLE "{quoted}"')


async def logged_in(database: Database, role: str, password: str = PASSWORD) -> Connection:
    return await asyncpg.connect(database.admin_dsn, user=role, password=password, timeout=10)


@pytest.mark.parametrize("grant", [grant_ingest_role, grant_reader_role])
async def test_a_role_logs_in_and_has_no_might(
    database: Database,
    admin: Connection,
    role: str,
    grant: Grant,
) -> None:
    await grant(admin, role, PASSWORD)
    connection = await logged_in(database, role)
    might = await connection.fetchrow(
        "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication"
        " FROM pg_roles WHERE rolname = current_user"
    )
    await connection.close(timeout=10)
    assert might is not None
    assert not any(might.values())


async def test_a_second_grant_changes_the_password(
    database: Database, admin: Connection, role: str
) -> None:
    await grant_ingest_role(admin, role, PASSWORD)
    await grant_ingest_role(admin, role, "another")
    connection = await logged_in(database, role, "another")
    await connection.close(timeout=10)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await logged_in(database, role)


@pytest.mark.parametrize(
    "forbidden",
    [
        "SELECT FROM tenants",
        "INSERT INTO devices (tenant_id, hostname, ip_address)"
        " VALUES (gen_random_uuid(), 'x', 'x')",
        "UPDATE devices SET hostname = 'x'",
        "UPDATE router_config_snapshots SET config_text = 'x'",
        "DELETE FROM router_config_snapshots",
        "TRUNCATE router_config_snapshots",
        "DELETE FROM snapshot_ingest.snapshots",
        "DELETE FROM snapshot_ingest.positions",
        "DELETE FROM snapshot_ingest.quarantine",
        "INSERT INTO snapshot_ingest.migrations VALUES ('x', 'x')",
        "CREATE TABLE snapshot_ingest.mine ()",
        "CREATE TABLE public.mine ()",
    ],
)
async def test_the_ingest_role_may_do_nothing_else(
    database: Database,
    admin: Connection,
    role: str,
    forbidden: str,
) -> None:
    await grant_ingest_role(admin, role, PASSWORD)
    connection = await logged_in(database, role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(forbidden)
    await connection.close(timeout=10)


@pytest.mark.parametrize(
    "forbidden",
    [
        "INSERT INTO router_config_snapshots SELECT FROM router_config_snapshots",
        "UPDATE snapshot_ingest.heads SET sequence = 1",
        "DELETE FROM snapshot_ingest.quarantine",
        "UPDATE snapshot_ingest.quarantine SET state = 'dropped', ciphertext = NULL",
        "SELECT FROM tenants",
        "SELECT snapshot_ingest.forget_settled('S', now(), 1)",
    ],
)
async def test_the_reader_role_may_change_nothing(
    database: Database,
    admin: Connection,
    role: str,
    forbidden: str,
) -> None:
    await grant_reader_role(admin, role, PASSWORD)
    connection = await logged_in(database, role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(forbidden)
    await connection.close(timeout=10)


@pytest.mark.parametrize("attribute", ["SUPERUSER", "BYPASSRLS"])
async def test_a_mighty_role_is_not_made_a_services_role(
    admin: Connection, role: str, attribute: str
) -> None:
    quoted = role.replace('"', '""')
    await admin.execute(f'CREATE ROLE "{quoted}" {attribute}')
    with pytest.raises(Misconfigured, match="name another role"):
        await grant_ingest_role(admin, role, PASSWORD)
    assert not await admin.fetchval("SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", role)


async def test_the_owner_of_the_tables_is_not_made_a_services_role(
    admin: Connection, role: str
) -> None:
    quoted = role.replace('"', '""')
    await admin.execute(f'CREATE ROLE "{quoted}"')
    await admin.execute(f'ALTER TABLE router_config_snapshots OWNER TO "{quoted}"')
    with pytest.raises(Misconfigured, match="owns the tables"):
        await grant_ingest_role(admin, role, PASSWORD)
    await admin.execute("ALTER TABLE router_config_snapshots OWNER TO postgres")


async def test_the_server_never_sees_the_password(
    stack: EmbeddedStack, admin: Connection, role: str
) -> None:
    await admin.execute("SET log_statement = 'all'")
    await admin.execute("SET log_parameter_max_length = -1")
    await grant_ingest_role(admin, role, PASSWORD)
    log = stack.addresses.postgres_log.read_text(encoding="utf-8", errors="replace")
    assert f'ALTER ROLE "{role.replace(chr(34), chr(34) * 2)}" LOGIN PASSWORD' in log
    assert "correct horse" not in log
