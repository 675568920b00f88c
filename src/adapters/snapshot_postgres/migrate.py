"""Bringing a database to the schema of this version, and never changing what is not ours.

Migrations are numbered .sql files that are applied in order, recorded with their checksum,
and never edited afterwards. All that are due are applied in one transaction under an advisory
lock, so that any number of workers may migrate at once.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from attrs import frozen

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_postgres.errors import DRIVER_ERRORS, fault_of
from snapshot_postgres.pool import Connection
from snapshot_postgres.sql import query, script

_BACKEND_TABLES = ("public.tenants", "public.devices", "public.router_config_snapshots")
_STATEMENT_TIMEOUT_SECONDS = 300.0


@frozen
class Migration:
    """One step of the schema."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Its checksum, by which an edited one is found."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def packaged_migrations() -> Sequence[Migration]:
    """The migrations of this version, in their order."""
    found = (files(__package__) / "migrations").iterdir()
    steps = [file for file in found if file.name.endswith(".sql")]
    return tuple(
        Migration(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))
        for file in sorted(steps, key=lambda file: file.name)
    )


async def migrate(connection: Connection, *, with_backend_tables: bool = False) -> Sequence[str]:
    """Applies what is due, and returns the names of what it applied.

    The backend's tables are looked for and never altered; only `with_backend_tables` makes
    those that are missing, for an installation without a backend. Raises `Misconfigured` if
    they are missing, if an applied migration was edited or is of a newer version, or if the
    role may not do it; and `Unavailable`. Then nothing was changed.
    """
    try:
        async with connection.transaction(isolation="read_committed"):
            await connection.fetch(
                query("lock_migrations", "migrating.sql"), timeout=_STATEMENT_TIMEOUT_SECONDS
            )
            return await _migrate_locked(connection, with_backend_tables=with_backend_tables)
    except DRIVER_ERRORS as error:
        fault = fault_of(error)
    raise fault.as_error(Dependency.REPOSITORY)


async def _migrate_locked(connection: Connection, *, with_backend_tables: bool) -> Sequence[str]:
    if with_backend_tables:
        await _execute(connection, script("backend_tables.sql"))
    await _require_backend_tables(connection)
    await _execute(connection, query("ensure_record", "migrating.sql"))
    rows = await connection.fetch(query("applied_migrations", "migrating.sql"))
    applied = {str(row["name"]): str(row["sha256"]) for row in rows}
    _require_unedited(applied)
    due = [step for step in packaged_migrations() if step.name not in applied]
    for step in due:
        await _execute(connection, step.sql)
        await connection.execute(query("record_migration", "migrating.sql"), step.name, step.sha256)
    return [step.name for step in due]


async def _execute(connection: Connection, sql: str) -> None:
    await connection.execute(sql, timeout=_STATEMENT_TIMEOUT_SECONDS)


async def _require_backend_tables(connection: Connection) -> None:
    rows = await connection.fetch(
        query("missing_relations", "migrating.sql"), list(_BACKEND_TABLES)
    )
    if rows:
        missing = ", ".join(str(row["relation"]) for row in rows)
        raise Misconfigured(
            Dependency.REPOSITORY,
            f"the backend's tables are missing: {missing}",
            expected="a database that the backend has migrated",
            next_step="run the backend's migrations first, or, where there is no backend, "
            "`snapshot-ingest migrate --with-backend-tables`",
        )


def _require_unedited(applied: dict[str, str]) -> None:
    known = {step.name: step.sha256 for step in packaged_migrations()}
    unknown = sorted(applied.keys() - known.keys())
    if unknown:
        raise Misconfigured(
            Dependency.REPOSITORY,
            f"the database has migrations that this version does not know: {', '.join(unknown)}",
            next_step="use the version of snapshot-ingest that applied them, or a newer one",
        )
    edited = sorted(name for name, sha256 in applied.items() if known[name] != sha256)
    if edited:
        raise Misconfigured(
            Dependency.REPOSITORY,
            f"migrations differ from what was applied: {', '.join(edited)}",
            expected="that an applied migration is never edited",
            next_step="reinstall snapshot-ingest, or restore the migration's file",
        )
