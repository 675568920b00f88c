"""Telling a fleet of unknown devices from a role that is shown none."""

from snapshot_domain.errors import Misconfigured
from snapshot_postgres.database import Database
from snapshot_postgres.sql import query


async def require_visible_devices(database: Database) -> None:
    """Raises `Misconfigured` if no device is visible although the catalogue says there are some.

    Asked only when not one device of a batch was found: otherwise the role sees devices.
    """
    [answer] = await database.ask(query("devices_hidden"))
    if answer[0]:
        raise Misconfigured(
            database.dependency,
            "not one device is visible, although the table of devices is not empty",
            expected="that its policy shows all of them under app.current_tenant = 'super_admin'",
            next_step="check the row-level security policies of public.devices",
        )
