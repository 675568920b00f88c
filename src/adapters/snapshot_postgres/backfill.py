"""Rows that others wrote, brought into the timelines: each that no run knows gets one.

The work of a batch is one function of our schema (migrations/0020_existing_rows.sql); here is
the walk over all rows. See docs/adr/0028.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
from attrs import evolve, frozen

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_postgres.database import Database
from snapshot_postgres.errors import Fault, FaultKind
from snapshot_postgres.pool import Pool, PooledConnection
from snapshot_postgres.sql import query

_DEVICES_A_LOOK = 1_000
_BEFORE_ALL = UUID(int=0)


@frozen
class Filled:
    """What a backfill has done so far.

    `rows` got a run, and `heads` came to point at one of them; `copies` were stored because a
    row lies inside another text's run. `devices` were gone through, and then `tenants`, of which
    `seen` rows are visible; `estimated` is what the catalogue believes to be all rows, None where
    it knows nothing.
    """

    devices: int = 0
    tenants: int = 0
    rows: int = 0
    heads: int = 0
    copies: int = 0
    seen: int = 0
    estimated: int | None = None


@frozen
class _Places:
    """Devices, and at each one's place the tenant whose rows of it are meant."""

    devices: Sequence[UUID]
    tenants: Sequence[UUID]

    def rest(self, first: int) -> "_Places":
        return _Places(self.devices[first:], self.tenants[first:])


class Backfill:
    """Adds to the timelines what they do not know of the backend's rows, beside running workers.

    It needs the rights of the tables' owner. The pool is on loan; a look at a whole table may take
    minutes, for which its commands need the time. Each batch is a transaction of
    its own, which locks only its devices' heads, as a worker does. It may be killed at any moment:
    the next run goes on and ends the same, and one with nothing to add changes nothing.

    `max_clock_ahead` is how far a row's time may be after its making before that is taken instead.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        rows_at_once: int = 1_000,
        max_clock_ahead: timedelta = timedelta(minutes=10),
        acquire_timeout_seconds: float = 10.0,
    ) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)
        self._rows_at_once = rows_at_once
        self._max_clock_ahead = max_clock_ahead
        self._filled = Filled()
        self._tell: Callable[[Filled], None] = _nobody

    async def was_finished(self) -> bool:
        """Whether a run has come to its end before. Raises `Unavailable` or `Misconfigured`."""
        [row] = await self._database.ask(query("was_finished", "backfill.sql"))
        return bool(row["finished"])

    async def run(
        self, tell: Callable[[Filled], None] | None = None, *, only_owned: bool = False
    ) -> Filled:
        """Gives every row a run that has none, and returns what that came to.

        First the rows of each device that are its owner's, which is all that ingestion compares
        with; then tenant by tenant what is left, such as rows from before a device moved, with a
        look at the whole table for each. `only_owned` leaves that out: for when nobody can wait.

        `tell` hears after each batch how far it is. Raises `Unavailable` or `Misconfigured`; what
        was added until then stays.
        """
        self._filled, self._tell = Filled(), tell or _nobody
        held = await self._require_visible_rows()
        await self._fill_owned()
        if not only_owned:
            await self._fill_rest(held=held)
            await self._database.ask(query("finished", "backfill.sql"), self._filled.rows)
        return self._filled

    async def _require_visible_rows(self) -> bool:
        """Returns whether row-level security holds for us."""
        [row] = await self._database.ask(query("hidden", "backfill.sql"))
        if row["hidden"]:
            raise Misconfigured(
                Dependency.REPOSITORY,
                "not one row of public.router_config_snapshots is visible, although the catalogue "
                f"estimates {row['estimated']}",
                expected="that its policy shows a tenant's rows under app.current_tenant, and that "
                "of public.tenants all tenants under 'super_admin'",
                next_step="check the row-level security policies of both; if the table is really "
                "empty, ANALYZE it, and run this again",
            )
        self._filled = evolve(self._filled, estimated=row["estimated"])
        return bool(row["held"])

    async def _fill_owned(self) -> None:
        after = _BEFORE_ALL
        while rows := await self._database.ask(
            query("devices_after", "backfill.sql"), after, _DEVICES_A_LOOK
        ):
            await self._fill(
                _Places([row["device"] for row in rows], [row["owner"] for row in rows])
            )
            after = rows[-1]["device"]
            self._came_further(devices=len(rows))

    async def _fill_rest(self, *, held: bool) -> None:
        tenants = await self._database.ask(query("tenants", "backfill.sql"))
        if not held:
            # Whoever sees all rows need not look for those of each tenant.
            await self._fill_unknown(None)
            self._came_further(tenants=len(tenants))
            return
        for row in tenants:
            await self._fill_unknown(row["tenant_id"])
            self._came_further(tenants=1)

    async def _fill_unknown(self, tenant_id: UUID | None) -> None:
        [row] = await self._database.ask(
            query("devices_of_unknown_rows", "backfill.sql"), tenant_id
        )
        places = _Places(row["devices"], row["tenants"])
        for first in range(0, len(places.devices), _DEVICES_A_LOOK):
            page = slice(first, first + _DEVICES_A_LOOK)
            await self._fill(_Places(places.devices[page], places.tenants[page]))
        self._came_further(seen=row["rows"])

    async def _fill(self, places: _Places) -> None:
        while places.devices:
            batch = await self._add(places)
            self._came_further(rows=batch["added"], copies=batch["copies"], heads=batch["heads"])
            if batch["looked_at"] < self._rows_at_once:
                return
            places = places.rest(batch["last_item"] - 1)

    async def _add(self, places: _Places) -> asyncpg.Record:
        result = await self._add_once(places)
        if isinstance(result, Fault) and result.kind is FaultKind.REFERENCE_GONE:
            # A device was deleted, and its rows with it: the next look does not find them.
            result = await self._add_once(places)
        if isinstance(result, Fault):
            raise result.as_error(Dependency.REPOSITORY)
        return result

    async def _add_once(self, places: _Places) -> asyncpg.Record | Fault:
        async def add(connection: PooledConnection) -> asyncpg.Record:
            [row] = await connection.fetch(
                query("add", "backfill.sql"),
                places.devices,
                places.tenants,
                self._rows_at_once,
                self._max_clock_ahead,
            )
            return row

        return await self._database.transact(add)

    def _came_further(self, **by: int) -> None:
        before = self._filled
        self._filled = evolve(
            before, **{name: getattr(before, name) + count for name, count in by.items()}
        )
        self._tell(self._filled)


def _nobody(_: Filled) -> None:
    """Where nobody wants to be told."""
