"""deploy/postgres/policies.sql: optional, of the tables' owner, and taken back without a trace."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from attrs import field, frozen

from snapshot_ingest.stack import EmbeddedStack
from support.owned import PASSWORD, Owned, owned_database

_ROLES = ("ingest", "reader", "operator")
_POLICIES = "SELECT * FROM pg_policies ORDER BY schemaname, tablename, policyname"
_COUNT = "SELECT count(*) FROM router_config_snapshots"
_INSERT = (
    "INSERT INTO router_config_snapshots (device_id, tenant_id, config_text, sha256_hash)"
    " VALUES ($1, $2, 'vault:v1:x', 'x')"
)


@frozen
class Policed:
    """A database with a role of each kind, and two tenants with a row each."""

    owned: Owned
    roles: dict[str, str]
    tenants: tuple[UUID, UUID] = field(factory=lambda: (uuid4(), uuid4()))
    device: UUID = field(factory=uuid4)

    async def run(self, script: str) -> None:
        """Runs a script, twice: it may be repeated."""
        named = [part for each in _ROLES for part in ("-v", f"{each}={self.roles[each]}")]
        for _ in range(2):
            code, said = await self.owned.psql(script, *named)
            assert code == 0, said

    async def policies(self) -> list[tuple[object, ...]]:
        """Every policy that there is, with all that is known of it."""
        return [tuple(row) for row in await self.owned.database.admin.fetch(_POLICIES)]

    async def seen_by_app_user(self) -> list[list[int]]:
        """What `app_user` sees of each table: without a tenant, as one, and as `super_admin`."""
        seen = []
        async with self.owned.database.admin.acquire(timeout=10) as connection:
            for setting in ("", str(self.tenants[0]), "super_admin"):
                async with connection.transaction():
                    await connection.execute("SET LOCAL ROLE app_user")
                    await connection.execute(f"SET LOCAL app.current_tenant = '{setting}'")
                    seen.append(
                        [
                            await connection.fetchval(f"SELECT count(*) FROM {table}")
                            for table in ("tenants", "devices", "router_config_snapshots")
                        ]
                    )
        return seen


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def policed(stack: EmbeddedStack) -> AsyncIterator[Policed]:
    async with owned_database(stack.addresses.postgres_admin_dsn) as owned:
        admin = owned.database.admin
        policed = Policed(owned, {each: f"{each}_{owned.database.name}" for each in _ROLES})
        for each, role in policed.roles.items():
            await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
            assert (await owned.psql(f"{each}.sql", "-v", f"role={role}"))[0] == 0
        for tenant in policed.tenants:
            device = policed.device if tenant == policed.tenants[0] else uuid4()
            await admin.execute("INSERT INTO tenants VALUES ($1, $2)", tenant, str(tenant))
            await admin.execute("INSERT INTO devices VALUES ($1, $2, 'r', 'r')", device, tenant)
            await admin.execute(_INSERT, device, tenant)
        yield policed
        for role in policed.roles.values():
            await admin.execute(f"DROP OWNED BY {role}")
            await admin.execute(f"DROP ROLE {role}")


@pytest.fixture
async def with_policies(policed: Policed) -> AsyncIterator[Policed]:
    """The same with the policies, which are gone afterwards."""
    await policed.run("policies.sql")
    yield policed
    await policed.run("policies_undo.sql")


async def test_after_the_undo_every_policy_is_what_it_was(policed: Policed) -> None:
    policies, own = await policed.policies(), await policed.owned.backends_own()
    seen = await policed.seen_by_app_user()
    assert seen == [[0, 0, 0], [1, 1, 1], [2, 2, 0]]
    await policed.run("policies.sql")
    added = [each for each in await policed.policies() if each not in policies]
    assert len(added) == 4
    assert len(await policed.policies()) == len(policies) + 4
    await policed.run("policies_undo.sql")
    assert await policed.policies() == policies
    assert await policed.owned.backends_own() == own


async def test_app_user_sees_exactly_what_it_saw(policed: Policed) -> None:
    seen = await policed.seen_by_app_user()
    own = await policed.owned.backends_own()
    await policed.run("policies.sql")
    try:
        assert await policed.seen_by_app_user() == seen
        # Also whether row-level security is enabled and forced, and whose the tables are.
        assert own <= await policed.owned.backends_own()
    finally:
        await policed.run("policies_undo.sql")


async def test_the_owner_itself_is_shown_nothing_more(with_policies: Policed) -> None:
    connection = await with_policies.owned.login(with_policies.owned.owner)
    try:
        assert await connection.fetchval(_COUNT) == 0
    finally:
        await connection.close(timeout=10)


@pytest.mark.parametrize("which", _ROLES)
async def test_a_role_sees_the_rows_of_every_tenant_without_the_setting(
    policed: Policed, which: str
) -> None:
    connection = await policed.owned.login(policed.roles[which])
    try:
        assert await connection.fetchval(_COUNT) == 0
        await policed.run("policies.sql")
        assert await connection.fetchval(_COUNT) == 2
        await policed.run("policies_undo.sql")
        assert await connection.fetchval(_COUNT) == 0
    finally:
        await policed.run("policies_undo.sql")
        await connection.close(timeout=10)


async def test_ingest_sees_devices_and_stores_rows_without_the_setting(
    with_policies: Policed,
) -> None:
    connection = await with_policies.owned.login(with_policies.roles["ingest"])
    try:
        assert await connection.fetchval("SELECT count(*) FROM devices") == 2
        storing = connection.transaction()
        await storing.start()
        await connection.execute(_INSERT, with_policies.device, with_policies.tenants[0])
        await storing.rollback()
    finally:
        await connection.close(timeout=10)


async def test_the_operator_replaces_texts_without_the_setting(with_policies: Policed) -> None:
    connection = await with_policies.owned.login(with_policies.roles["operator"])
    replace = "UPDATE router_config_snapshots SET config_text = 'vault:v2:x'"
    try:
        assert await connection.execute(replace) == "UPDATE 2"
    finally:
        await connection.close(timeout=10)


@pytest.mark.parametrize(
    ("which", "statement"),
    [
        ("ingest", "UPDATE router_config_snapshots SET config_text = 'x'"),
        ("ingest", "DELETE FROM router_config_snapshots"),
        ("ingest", "INSERT INTO devices SELECT * FROM devices"),
        ("reader", "SELECT FROM devices"),
        ("reader", "INSERT INTO router_config_snapshots SELECT * FROM router_config_snapshots"),
        ("operator", "SELECT FROM devices"),
        ("operator", "DELETE FROM router_config_snapshots"),
        ("operator", "UPDATE router_config_snapshots SET tenant_id = gen_random_uuid()"),
    ],
)
async def test_a_policy_gives_no_right(with_policies: Policed, which: str, statement: str) -> None:
    connection = await with_policies.owned.login(with_policies.roles[which])
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close(timeout=10)


@pytest.mark.parametrize("name", ["public", "app_user", "postgres"])
@pytest.mark.parametrize("which", _ROLES)
async def test_no_policy_is_made_for_everybody_or_for_a_role_of_others(
    policed: Policed, which: str, name: str
) -> None:
    policies = await policed.policies()
    roles = policed.roles | {which: name}
    named = [part for each in _ROLES for part in ("-v", f"{each}={roles[each]}")]
    code, said = await policed.owned.psql("policies.sql", *named)
    assert code != 0
    assert f"{name} is no role of snapshot-ingest" in said
    assert await policed.policies() == policies


async def test_a_role_that_is_not_there_leaves_every_policy_as_it_was(policed: Policed) -> None:
    policies = await policed.policies()
    code, said = await policed.owned.psql("policies.sql", "-v", "ingest=nobody_at_all")
    assert code != 0
    assert 'role "nobody_at_all" does not exist' in said
    assert await policed.policies() == policies
