"""The roles of the services: each may do what it must, and no more.

Neither is a superuser or an owner, and neither bypasses row-level security.
"""

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_postgres.errors import DRIVER_ERRORS, fault_of
from snapshot_postgres.pool import Connection
from snapshot_postgres.scram import scram_verifier
from snapshot_postgres.sql import query


async def grant_ingest_role(connection: Connection, role: str, password: str) -> None:
    """Makes or mends the role that stores: see `_grant` for what it raises."""
    await _grant(connection, role, password, "grant_ingest")


async def grant_reader_role(connection: Connection, role: str, password: str) -> None:
    """Makes or mends the role that reads ciphertexts: see `_grant` for what it raises."""
    await _grant(connection, role, password, "grant_reader")


async def grant_operator_role(connection: Connection, role: str, password: str) -> None:
    """Makes or mends the role that brings texts under another key or format: see `_grant`.

    The connection's role must own the backend's table, or it may not grant the right on it.
    """
    await _grant(connection, role, password, "grant_operator")


async def _grant(connection: Connection, role: str, password: str, rights: str) -> None:
    """Creates the role if need be, sets its password, and grants its rights in this database.

    The server is told only the password's verifier. Raises `Misconfigured` if the role is
    already something mightier, if the password cannot be used, or if the connection's own
    role may not do this; and `Unavailable`.
    """
    verifier = scram_verifier(password)
    try:
        async with connection.transaction(isolation="read_committed"):
            await connection.fetch(query("lock_migrations", "migrating.sql"))
            await _require_modest(connection, role)
            if not await connection.fetchval(query("role_exists", "roles.sql"), role):
                await _execute(connection, "create_role", role)
            await _execute(connection, "set_login", role, verifier)
            await _execute(connection, rights, role)
            return
    except DRIVER_ERRORS as error:
        fault = fault_of(error)
    raise fault.as_error(Dependency.REPOSITORY)


async def _require_modest(connection: Connection, role: str) -> None:
    reason = await connection.fetchval(query("too_mighty", "roles.sql"), role)
    if reason is not None:
        raise Misconfigured(
            Dependency.REPOSITORY,
            f"the role {role!r} {reason}",
            expected="a role that row-level security holds for",
            next_step="name another role",
        )


async def _execute(connection: Connection, name: str, *values: str) -> None:
    """Runs a statement whose identifiers and literals the server itself has quoted."""
    statement = await connection.fetchval(
        query("render", "roles.sql"), query(name, "roles.sql"), list(values)
    )
    await connection.execute(statement)
