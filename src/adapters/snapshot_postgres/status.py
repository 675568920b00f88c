"""How much is stored, for a person who asks."""

from collections.abc import Mapping

from attrs import frozen

from snapshot_domain.errors import Dependency
from snapshot_postgres.database import Database
from snapshot_postgres.pool import Pool
from snapshot_postgres.sql import query


@frozen
class StoreStatus:
    """Figures of one moment.

    `devices` have at least one stored snapshot; `snapshots` leaves out the copies that splits
    made; `quarantined` counts messages by reason.
    """

    devices: int
    snapshots: int
    quarantined: Mapping[str, int]


class PostgresStatus:
    """Counts. It reads whole tables, so ask it now and then, not for every message."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)

    async def read(self) -> StoreStatus:
        """The figures now. Raises `Unavailable` or `Misconfigured`."""
        [devices] = await self._database.ask(query("count_devices"))
        [snapshots] = await self._database.ask(query("count_snapshots"))
        quarantined = await self._database.ask(query("count_quarantined"))
        return StoreStatus(
            devices=devices[0],
            snapshots=snapshots[0],
            quarantined={row["reason"]: row["messages"] for row in quarantined},
        )
