"""What `uninstall` promises, for the tests of each version of PostgreSQL to subclass."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from snapshot_postgres import open_pool
from support.backend_commands import Backend
from support.backend_database import PASSWORD
from support.owned import psql

_ROLES = ("ingest", "reader", "operator")


class UninstallTests:
    """Each test has the fixture `backend` to itself, with rows and not migrated yet."""

    async def test_it_leaves_the_backends_tables_as_they_were(self, backend: Backend) -> None:
        admin = backend.database.admin
        roles = {each: f"{each}_{backend.database.name}" for each in _ROLES}
        for role in roles.values():
            await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        before = await backend.dump()
        try:
            await backend.succeeds("migrate")
            for each, role in roles.items():
                await backend.psql(f"{each}.sql", "-v", f"role={role}")
            named = [f"{each}={role}" for each, role in roles.items()]
            await backend.psql("policies.sql", *(word for name in named for word in ("-v", name)))
            stored = await backend.store(roles["ingest"], "new", "newer")
            said = await backend.succeeds("uninstall", "--yes")
            assert not await backend.is_installed()
            assert await backend.dump(without=stored) != before
            # What is left to the tables' owner is what it says.
            for line in said:
                if (found := line.partition("psql ")[2]) != "":
                    *arguments, _, file = found.split()
                    dsn = backend.database.dsn_of(backend.owner)
                    code, output = await psql(dsn, file.rpartition("/")[2], *arguments)
                    assert code == 0, output
            assert len(stored) == 2
            assert await backend.dump(without=stored) == before
        finally:
            for role in roles.values():
                await admin.execute(f"DROP OWNED BY {role}")
                await admin.execute(f"DROP ROLE {role}")

    async def test_without_yes_it_says_what_it_would_do_and_does_nothing(
        self, backend: Backend
    ) -> None:
        await backend.succeeds("migrate")
        said = await backend.succeeds("uninstall")
        assert said[0].startswith("would drop the schema snapshot_ingest: 5 runs")
        assert "the backend's 5 rows stay as they are" in said
        assert said[-1] == "nothing was changed: add --yes"
        assert await backend.count("snapshot_ingest.snapshots") == 5

    @pytest.mark.parametrize(
        ("prefix", "objection"),
        [
            ("si1z:", "1 rows are compressed and 0 are envelope"),
            ("si1e:", "0 rows are compressed and 1 are envelope"),
        ],
    )
    @pytest.mark.parametrize("option", [(), ("--yes",)])
    async def test_it_refuses_while_only_we_can_read_a_row(
        self, backend: Backend, prefix: str, objection: str, option: tuple[str, ...]
    ) -> None:
        await backend.succeeds("migrate")
        await backend.database.admin.execute(
            "UPDATE router_config_snapshots SET config_text = $1 || config_text WHERE id ="
            " (SELECT id FROM router_config_snapshots LIMIT 1)",
            prefix,
        )
        said = await backend.fails("uninstall", *option)
        assert objection in said
        assert "snapshot-ingest convert --to transit" in said
        assert await backend.is_installed()

    async def test_rows_that_nobody_can_read_any_more_do_not_stand_against_it(
        self, backend: Backend
    ) -> None:
        await backend.succeeds("migrate")
        admin = backend.database.admin
        await admin.execute("UPDATE router_config_snapshots SET config_text = 'si1z:x'")
        await admin.execute(
            "INSERT INTO snapshot_ingest.shredded_tenants VALUES ($1, now())", backend.tenant
        )
        await backend.succeeds("uninstall", "--yes")

    async def test_it_refuses_while_digests_are_keyed(self, backend: Backend) -> None:
        await backend.succeeds("migrate")
        await backend.database.admin.execute(
            "UPDATE snapshot_ingest.snapshots SET digest_key = gen_random_uuid()"
        )
        assert "the digests of 5 rows are keyed" in await backend.fails("uninstall", "--yes")
        await backend.database.admin.execute("DELETE FROM router_config_snapshots")
        await backend.database.admin.execute("ANALYZE router_config_snapshots")
        await backend.succeeds("uninstall", "--yes")

    async def test_it_refuses_while_the_quarantine_holds_messages(self, backend: Backend) -> None:
        await backend.succeeds("migrate")
        await backend.database.admin.execute(
            "INSERT INTO snapshot_ingest.quarantine (stream, stream_created_at, sequence, subject,"
            " received_at, reason, detail, waiting, size_bytes, ciphertext)"
            " VALUES ('S', now(), 1, 'x', now(), 'malformed', '', false, 1, 'x')"
        )
        assert "holds 1 messages" in await backend.fails("uninstall", "--yes")
        assert await backend.is_installed()
        await backend.succeeds("uninstall", "--yes", "--discard-quarantine")
        assert not await backend.is_installed()

    async def test_it_refuses_while_a_workers_session_is_open(self, backend: Backend) -> None:
        await backend.succeeds("migrate")
        async with (
            await open_pool(backend.database.admin_dsn) as pool,
            pool.acquire(timeout=10),
        ):
            said = await backend.fails("uninstall", "--yes")
        assert "sessions of snapshot-ingest are open: stop the workers" in said

    async def test_it_refuses_while_an_ack_floor_moves(self, backend: Backend) -> None:
        await backend.succeeds("migrate")
        await backend.database.admin.execute(
            "INSERT INTO snapshot_ingest.ack_floors (stream, consumer, stream_created_at,"
            " consumer_created_at, sequence, delivered_sequence, deliveries, pending,"
            " first_sequence, last_sequence, at)"
            " VALUES ('S', 'c', now(), now(), 1, 1, 1, 1, 1, 1, $1)",
            datetime.now(UTC),
        )
        assert "kept within 30 s" in await backend.fails("uninstall", "--yes")

    async def test_it_refuses_while_it_can_see_no_row(self, backend: Backend) -> None:
        await backend.succeeds("migrate")
        await backend.database.admin.execute(
            "ALTER POLICY tenant_isolation ON router_config_snapshots USING (false)"
        )
        assert "is visible" in await backend.fails("uninstall", "--yes")
        assert await backend.is_installed()

    async def test_it_refuses_a_schema_of_another_version(self, backend: Backend) -> None:
        await backend.succeeds("migrate")
        await backend.database.admin.execute(
            "INSERT INTO snapshot_ingest.migrations VALUES ($1, 'x')", f"9999_{uuid4().hex}"
        )
        assert "of another version" in await backend.fails("uninstall", "--yes")

    async def test_where_there_is_nothing_there_is_nothing_to_do(self, backend: Backend) -> None:
        said = ["nothing to do: there is no schema snapshot_ingest"]
        assert await backend.succeeds("uninstall") == said
        assert await backend.succeeds("uninstall", "--yes") == said
