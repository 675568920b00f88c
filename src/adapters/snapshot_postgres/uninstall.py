"""Taking our schema away again, once nobody needs what it holds.

Nothing of the backend is touched: its rows stay, those that we stored among them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_postgres.errors import DRIVER_ERRORS, fault_of
from snapshot_postgres.migrate import packaged_migrations
from snapshot_postgres.pool import Connection
from snapshot_postgres.sql import query

_LOOK_SECONDS = 900.0


@frozen(kw_only=True)
class Installed:
    """What an uninstallation finds.

    Of the backend's `rows`, `compressed` and `envelope` are in formats that only we read, and
    `keyed` are known by keyed digests. `runs` are forgotten, and `quarantined` messages would be
    lost. `sessions` and `floor_moves` tell of workers. `roles` have rights that `undo.sql` takes
    back, and `policies` stand on the backend's tables.
    """

    rows: int
    compressed: int
    envelope: int
    keyed: int
    runs: int
    quarantined: int
    sessions: int
    floor_moves: bool
    roles: Sequence[str]
    policies: bool


async def look_at_installation(connection: Connection) -> Installed | None:
    """What there is, None if nothing; reads every row. Raises `Unavailable` or `Misconfigured`."""
    return await _in_transaction(connection, _nobody_objects, remove=False)


async def uninstall(
    connection: Connection, object_to: Callable[[Installed], None]
) -> Installed | None:
    """Drops our schema, and returns what there was, None if nothing.

    What `object_to` raises keeps everything as it was: between its look and the end nothing is
    stored. Raises `Unavailable`, `Contended` or `Misconfigured`; then nothing was changed either.
    """
    return await _in_transaction(connection, object_to, remove=True)


async def _in_transaction(
    connection: Connection, object_to: Callable[[Installed], None], *, remove: bool
) -> Installed | None:
    try:
        async with connection.transaction(isolation="read_committed"):
            if not await connection.fetchval(query("is_installed", "uninstall.sql")):
                return None
            await connection.fetch(query("lock_migrations", "migrating.sql"))
            await _require_this_version(connection)
            if remove:
                await connection.execute(query("hold", "uninstall.sql"))
            installed = await _look(connection)
            object_to(installed)
            if remove:
                await connection.execute(query("drop", "uninstall.sql"))
            return installed
    except DRIVER_ERRORS as error:
        fault = fault_of(error)
    raise fault.as_error(Dependency.REPOSITORY)


async def _require_this_version(connection: Connection) -> None:
    rows = await connection.fetch(query("applied_migrations", "migrating.sql"))
    if {row["name"] for row in rows} != {step.name for step in packaged_migrations()}:
        raise Misconfigured(
            Dependency.REPOSITORY,
            "the schema snapshot_ingest is of another version",
            next_step="run `snapshot-ingest migrate` of this version first, or use that version",
        )


async def _look(connection: Connection) -> Installed:
    [seen] = await connection.fetch(query("hidden", "backfill.sql"))
    if seen["hidden"]:
        raise Misconfigured(
            Dependency.REPOSITORY,
            "not one row of public.router_config_snapshots is visible, although the catalogue "
            f"estimates {seen['estimated']}, so nobody knows whether only we can read them",
            next_step="check the row-level security policies of public.tenants and of that table; "
            "if it is really empty, ANALYZE it, and run this again",
        )
    tenants = await connection.fetch(query("tenants", "backfill.sql"))
    looks = [row["tenant_id"] for row in tenants] if seen["held"] else [None]
    counts: dict[str, Any] = dict.fromkeys(("rows", "compressed", "envelope", "keyed"), 0)
    for tenant_id in looks:
        await connection.fetch(query("act_as", "uninstall.sql"), str(tenant_id or ""))
        [row] = await connection.fetch(
            query("rows", "uninstall.sql"), tenant_id, timeout=_LOOK_SECONDS
        )
        counts = {name: count + row[name] for name, count in counts.items()}
    [rest] = await connection.fetch(query("rest", "uninstall.sql"))
    return Installed(**counts, **dict(rest))


def _nobody_objects(_: Installed) -> None:
    """For a look alone."""
