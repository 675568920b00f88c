"""DeviceDirectory over the backend's table of devices."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from snapshot_domain.errors import Dependency
from snapshot_domain.model import DeviceId, TenantId
from snapshot_postgres.database import Database
from snapshot_postgres.health import require_rights
from snapshot_postgres.pool import Pool
from snapshot_postgres.sql import query
from snapshot_postgres.visibility import require_visible_devices

_RIGHTS = (("public.devices", "SELECT"),)


class PostgresDeviceDirectory:
    """Looks devices up as 'super_admin', the setting under which all tenants' are visible."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.DIRECTORY, acquire_timeout_seconds)

    async def owners(self, devices: AbstractSet[DeviceId]) -> Mapping[DeviceId, TenantId]:
        """See DeviceDirectory."""
        if not devices:
            return {}
        rows = await self._database.ask(query("owners"), sorted(devices))
        if not rows:
            await require_visible_devices(self._database)
        return {DeviceId(row["device"]): TenantId(row["owner"]) for row in rows}

    async def check(self) -> None:
        """See DeviceDirectory."""
        await require_rights(self._database, _RIGHTS)
        await require_visible_devices(self._database)
