"""StoredTexts in memory."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from attrs import evolve, frozen

from snapshot_domain.model import Ciphertext, DataKeyId, SnapshotId, TenantId, WrappedKey
from snapshot_domain.ports import DataKeySwap, StoredText, TextSwap
from snapshot_memory.hash_repository import MemoryHashRepository, StoredRow


@frozen
class MemoryStoredTexts:
    """Looks at the rows and data keys of a MemoryHashRepository."""

    _repository: MemoryHashRepository

    async def tenants(self) -> Sequence[TenantId]:
        """See StoredTexts."""
        rows = {row.tenant_id for row in self._repository.rows.values()}
        keys = {key.tenant_id for key in self._repository.data_keys.values()}
        return sorted(rows | keys)

    async def under_other_versions(
        self, tenant_id: TenantId, version: int, after: SnapshotId, limit: int
    ) -> Sequence[StoredText]:
        """See StoredTexts."""
        return self._page(
            tenant_id, after, limit, lambda text: text.key_version not in (None, version)
        )

    async def in_other_formats(
        self, tenant_id: TenantId, chosen: str, after: SnapshotId, limit: int
    ) -> Sequence[StoredText]:
        """See StoredTexts."""
        return self._page(tenant_id, after, limit, lambda text: text.format != chosen)

    async def count_in_other_formats(self, tenant_id: TenantId, chosen: str) -> int:
        """See StoredTexts."""
        texts = self._texts(tenant_id)
        return sum(text.ciphertext.format != chosen for text in texts)

    async def rows_of_others(self, tenant_id: TenantId) -> int:
        """See StoredTexts."""
        runs = {run.snapshot_id for each in self._repository.timelines.values() for run in each}
        return sum(text.snapshot_id not in runs for text in self._texts(tenant_id))

    async def swap(self, swaps: Sequence[TextSwap]) -> AbstractSet[SnapshotId]:
        """See StoredTexts."""
        swapped = set()
        for swap in swaps:
            snapshot_id, new = swap.stored.snapshot_id, swap.ciphertext
            row = self._repository.rows.get(snapshot_id)
            if row is not None and self._text(snapshot_id, row) == swap.stored:
                self._repository.rows[snapshot_id] = evolve(row, ciphertext=new)
                self._repository.keep_data_key(new)
                swapped.add(snapshot_id)
        return swapped

    async def data_keys(
        self, tenant_id: TenantId, version: int, after: DataKeyId, limit: int
    ) -> Sequence[WrappedKey]:
        """See StoredTexts."""
        found = [
            key
            for key in self._repository.data_keys.values()
            if key.tenant_id == tenant_id
            and key.key_id > after
            and Ciphertext(key.text).key_version != version
        ]
        return sorted(found, key=lambda key: key.key_id)[:limit]

    async def swap_data_keys(self, swaps: Sequence[DataKeySwap]) -> AbstractSet[DataKeyId]:
        """See StoredTexts."""
        keys = self._repository.data_keys
        still = [each for each in swaps if keys.get(each.former.key_id) == each.former]
        keys.update({each.former.key_id: each.wrapped for each in still})
        return {each.former.key_id for each in still}

    async def versions(self, tenant_id: TenantId) -> Mapping[int, int]:
        """See StoredTexts."""
        keys = [key for key in self._repository.data_keys.values() if key.tenant_id == tenant_id]
        sealed = [text.ciphertext for text in self._texts(tenant_id)]
        sealed += [Ciphertext(key.text) for key in keys]
        found = [each.key_version for each in sealed]
        return Counter(version for version in found if version is not None)

    async def check(self) -> None:
        """Memory always answers."""

    def _page(
        self,
        tenant_id: TenantId,
        after: SnapshotId,
        limit: int,
        is_wanted: Callable[[Ciphertext], bool],
    ) -> list[StoredText]:
        texts = self._texts(tenant_id)
        wanted = [each for each in texts if each.snapshot_id > after and is_wanted(each.ciphertext)]
        return sorted(wanted, key=lambda each: each.snapshot_id)[:limit]

    def _texts(self, tenant_id: TenantId) -> list[StoredText]:
        rows = self._repository.rows.items()
        return [self._text(key, row) for key, row in rows if row.tenant_id == tenant_id]

    def _text(self, snapshot_id: SnapshotId, row: StoredRow) -> StoredText:
        return StoredText(
            snapshot_id=snapshot_id,
            device_id=row.device_id,
            tenant_id=row.tenant_id,
            digest=row.digest,
            ciphertext=self._repository.with_data_key(row.ciphertext),
        )
