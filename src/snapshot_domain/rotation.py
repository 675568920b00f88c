"""Rotation: everything of a tenant comes under the newest version of its key."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from attrs import define, evolve, field, frozen

from snapshot_domain.model import Ciphertext, DataKeyId, SnapshotId, TenantId
from snapshot_domain.ports import (
    DataKeySwap,
    Rewrapper,
    StoredText,
    StoredTexts,
)
from snapshot_domain.rewriting import Renewed, Rewritten, rewrite

_DATA_KEYS_A_PAGE = 200
_FIRST_DATA_KEY = DataKeyId(UUID(int=0))


@frozen
class OldestVersion:
    """Of a tenant's key, the oldest version that is in use, and what may be said of the rest.

    `version` is None where nothing is stored, `behind` how much is not under the newest.
    `certain_from` is the time from which a scan can tell that no older version is written any
    more: before that, a worker may still hold a data key, or a batch, of before the rotation.
    `rows_of_others` are in no timeline and under whatever version; None if nobody counted them.
    """

    tenant_id: TenantId
    version: int | None
    newest: int
    behind: int
    certain_from: datetime
    asked_at: datetime
    rows_of_others: int | None

    @property
    def is_certain(self) -> bool:
        """Whether every row of the tenant is under this version or a newer one, from now on."""
        return self.asked_at > self.certain_from and self.rows_of_others == 0


@define
class Rotation:
    """Rewraps one tenant, safely beside running workers, and resumes wherever it was ended.

    `in_hand` is the longest time for which a worker can have something in hand that an older
    version sealed: the lifetime of a data key and the time that a batch may take.
    """

    texts: StoredTexts
    rewrapper: Rewrapper
    in_hand: timedelta
    page_texts: int = 200
    rewritten: Rewritten = field(factory=Rewritten)

    async def rewrap(self, tenant_id: TenantId) -> AsyncIterator[int]:
        """Yields after each page how many texts or data keys were looked at.

        Raises `KeyMissing` for a tenant without a key, `Unavailable` or `Misconfigured`.
        """
        newest = (await self.rewrapper.versions(tenant_id)).newest

        async def page(after: SnapshotId) -> Sequence[StoredText]:
            return await self.texts.under_other_versions(tenant_id, newest, after, self.page_texts)

        async def renew(found: Sequence[StoredText]) -> Renewed:
            return await self.rewrapper.rewrap(tenant_id, [each.ciphertext for each in found])

        async for looked_at in rewrite(self.texts, page, renew, self.rewritten):
            yield looked_at
        async for looked_at in self._rewrap_data_keys(tenant_id, newest):
            yield looked_at

    async def oldest(self, tenant_id: TenantId, *, count_others: bool = True) -> OldestVersion:
        """The oldest version that is in use now; raises as `rewrap` does.

        Without `count_others`, which takes long, nothing is certain.
        """
        versions = await self.rewrapper.versions(tenant_id)
        in_use = await self.texts.versions(tenant_id)
        others = await self.texts.rows_of_others(tenant_id) if count_others else None
        return OldestVersion(
            tenant_id=tenant_id,
            version=min(in_use, default=None),
            newest=versions.newest,
            behind=sum(items for version, items in in_use.items() if version != versions.newest),
            certain_from=versions.newest_since + self.in_hand,
            asked_at=versions.asked_at,
            rows_of_others=others,
        )

    async def _rewrap_data_keys(self, tenant_id: TenantId, newest: int) -> AsyncIterator[int]:
        after = _FIRST_DATA_KEY
        while found := await self.texts.data_keys(tenant_id, newest, after, _DATA_KEYS_A_PAGE):
            after = found[-1].key_id
            answers = await self.rewrapper.rewrap(
                tenant_id, [Ciphertext(key.text) for key in found]
            )
            swaps = []
            for key, answer in zip(found, answers, strict=True):
                if isinstance(answer, Ciphertext):
                    swaps.append(DataKeySwap(key, evolve(key, text=answer.text)))
                else:
                    self.rewritten.leave(answer)
            swapped = await self.texts.swap_data_keys(swaps)
            self.rewritten.replaced += len(swapped)
            self.rewritten.changed_meanwhile += len(swaps) - len(swapped)
            yield len(found)
