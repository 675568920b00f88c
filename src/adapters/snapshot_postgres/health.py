"""Whether an adapter could really do its work, asked of the server now."""

from collections.abc import Sequence
from typing import TypeAlias

from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_postgres.database import Database
from snapshot_postgres.migrate import packaged_migrations
from snapshot_postgres.sql import query

Right: TypeAlias = tuple[str, str]
"""A relation, and a privilege on it."""

APPLIED_MIGRATIONS: Right = ("snapshot_ingest.migrations", "SELECT")


async def require_rights(
    database: Database, rights: Sequence[Right], *, role: str = "ingest"
) -> None:
    """Returns if the server takes writes now and the role has these rights.

    `role` is what its file in deploy/postgres is called. Raises `Unavailable` while the server
    is a standby or read-only, and `Misconfigured` naming what is missing or lacking.
    """
    relations = [relation for relation, _ in rights]
    privileges = [privilege for _, privilege in rights]
    [state] = await database.ask(query("state_of_server"), relations, privileges)
    if state["missing"]:
        raise Misconfigured(
            database.dependency,
            f"there is no {', '.join(state['missing'])}",
            next_step="run `snapshot-ingest migrate`",
        )
    if state["lacking"]:
        raise Misconfigured(
            database.dependency,
            f"the role may not {', '.join(state['lacking'])}",
            next_step=f"have the tables' owner run deploy/postgres/{role}.sql for it",
        )
    if state["read_only"]:
        raise Unavailable(
            database.dependency, "the server is a standby or read-only", expected="a primary"
        )


async def require_migrations(database: Database) -> None:
    """Returns if every migration of this version was applied, else raises `Misconfigured`."""
    rows = await database.ask(query("applied_migrations", "migrating.sql"))
    applied = {row["name"] for row in rows}
    missing = [step.name for step in packaged_migrations() if step.name not in applied]
    if missing:
        raise Misconfigured(
            database.dependency,
            f"migrations are not applied: {', '.join(missing)}",
            next_step="run `snapshot-ingest migrate`",
        )
