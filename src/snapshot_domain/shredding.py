"""Shredding: a tenant's key is taken out of use, and what is stored goes beyond reach with it."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from attrs import define, frozen

from snapshot_domain.errors import KeyMissing, Refused
from snapshot_domain.model import TenantId, configuration_aad
from snapshot_domain.ports import (
    Clock,
    Decryptor,
    DecryptorItem,
    KeyState,
    TenantKey,
    TenantKeys,
    TenantRow,
    TenantRows,
)
from snapshot_domain.secret import Secret

_ROWS_A_PAGE = 200


@frozen
class OutOfUse:
    """Since when a key is out of use, and until when workers may still go on without it.

    Until `warm_until` a worker may hold a data key that it needs no OpenBao for; until
    `stores_until` it may commit what such a key, or the tenant's own, sealed before.
    """

    since: datetime
    warm_until: datetime
    stores_until: datetime


@define
class Trial:
    """Tries to open every row of a tenant, and counts what came of each.

    `rows` is how many there were at the beginning; those that somebody deleted before their
    turn are not `tried`. How many of the `rehearsed` ones opened shows what the trial is worth:
    all of them, if the key was usable then.
    """

    stored: TenantRows
    decryptor: Decryptor
    rehearsed: int = 0
    rehearsed_opened: int = 0
    rows: int = 0
    tried: int = 0
    opened: int = 0
    beyond_reach: int = 0

    async def rehearse(self, tenant_id: TenantId) -> int:
        """How many rows there are; a page of them is tried while the key is still there.

        Raises as `try_all` would.
        """
        ids = await self.stored.ids(tenant_id)
        opened = await self._answers(await self.stored.rows(tenant_id, ids[:_ROWS_A_PAGE]))
        self.rehearsed, self.rehearsed_opened = len(opened), sum(opened)
        return len(ids)

    async def try_all(self, tenant_id: TenantId) -> AsyncIterator[int]:
        """Yields after each page how many rows are behind it.

        Raises `Unavailable` or `Misconfigured` if it cannot be tried: nothing is counted that
        was not.
        """
        left = await self.stored.ids(tenant_id)
        self.rows = len(left)
        while left:
            page = left[:_ROWS_A_PAGE]
            found = await self.stored.rows(tenant_id, page)
            await self._try(found)
            done = bisect_right(page, found[-1].snapshot_id) if found else len(page)
            left = left[done:]
            yield done

    async def _try(self, rows: Sequence[TenantRow]) -> None:
        for opens in await self._answers(rows):
            self.tried += 1
            if opens:
                self.opened += 1
            else:
                self.beyond_reach += 1

    async def _answers(self, rows: Sequence[TenantRow]) -> Sequence[bool]:
        """For each row whether it opens; raises what kept one from being tried."""
        answers = await self.decryptor.decrypt([_item(row) for row in rows]) if rows else ()
        for answer in answers:
            if not isinstance(answer, Secret | KeyMissing | Refused):
                raise answer
        return [isinstance(answer, Secret) for answer in answers]


def _item(row: TenantRow) -> DecryptorItem:
    aad = configuration_aad(row.tenant_id, row.device_id, row.digest) if row.digest else ""
    return DecryptorItem(TenantKey(row.tenant_id), row.ciphertext, aad)


@define
class Shredding:
    """Takes a tenant's key out of use.

    `lifetime` is that of a data key, `in_hand` the longest time for which a worker may hold
    something that a key sealed.
    """

    keys: TenantKeys
    clock: Clock
    lifetime: timedelta
    in_hand: timedelta

    async def freeze(self, tenant_id: TenantId) -> OutOfUse:
        """Freezes the key; raises as `TenantKeys` does."""
        await self.keys.freeze(tenant_id)
        return self._out_of_use()

    async def delete(self, tenant_id: TenantId) -> OutOfUse:
        """Deletes the key if it is still there; raises `Unavailable` or `Misconfigured`."""
        if await self.keys.state(tenant_id) is not KeyState.GONE:
            await self.keys.delete(tenant_id)
        return self._out_of_use()

    def _out_of_use(self) -> OutOfUse:
        """Counted from after the deed: a worker may have made a data key just before it."""
        now = self.clock.now()
        return OutOfUse(now, now + self.lifetime, now + self.in_hand)
