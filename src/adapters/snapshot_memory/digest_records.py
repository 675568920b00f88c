"""DigestRecords in memory."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from attrs import define, evolve

from snapshot_domain.digests import another_key
from snapshot_domain.model import DeviceId, DigestKeyId, SnapshotId, TenantId
from snapshot_domain.ports import DigestRecord, DigestSwap
from snapshot_memory.hash_repository import MemoryHashRepository, Run


@define(eq=False)
class MemoryDigestRecords:
    """Looks at the timelines and rows of a MemoryHashRepository."""

    _repository: MemoryHashRepository

    async def tenants(self) -> Sequence[TenantId]:
        """See DigestRecords."""
        runs = [run for each in self._repository.timelines.values() for run in each]
        return sorted({run.tenant_id for run in runs})

    async def count_plain(self, tenant_id: TenantId) -> int:
        """See DigestRecords."""
        return len(list(self._plain(tenant_id)))

    async def plain(
        self, tenant_id: TenantId, after: SnapshotId, limit: int
    ) -> Sequence[DigestRecord]:
        """See DigestRecords."""
        found = [each for each in self._plain(tenant_id) if each.snapshot_id > after]
        return sorted(found, key=lambda each: each.snapshot_id)[:limit]

    async def swap(
        self, key_id: DigestKeyId, swaps: Sequence[DigestSwap]
    ) -> AbstractSet[SnapshotId]:
        """See DigestRecords."""
        kept = self._repository.digest_key
        if kept is None or kept.key_id != key_id:
            raise another_key()
        swapped = set()
        for swap in swaps:
            if swap.record in self._plain(swap.record.tenant_id):
                self._replace(key_id, swap)
                swapped.add(swap.record.snapshot_id)
        return swapped

    async def check(self) -> None:
        """Memory always answers."""

    def _replace(self, key_id: DigestKeyId, swap: DigestSwap) -> None:
        record = swap.record
        for run in self._repository.timelines[record.device_id]:
            if run.snapshot_id == record.snapshot_id:
                run.digest, run.digest_key_id = swap.digest, key_id
        row = self._repository.rows.get(record.snapshot_id)
        if row is not None:
            ciphertext = swap.ciphertext or row.ciphertext
            self._repository.rows[record.snapshot_id] = evolve(
                row, digest=swap.digest, ciphertext=ciphertext
            )
            self._repository.keep_data_key(ciphertext)

    def _plain(self, tenant_id: TenantId) -> Iterator[DigestRecord]:
        for device_id, timeline in self._repository.timelines.items():
            for run in timeline:
                if run.tenant_id == tenant_id and run.digest_key_id is None:
                    yield self._record(device_id, run)

    def _record(self, device_id: DeviceId, run: Run) -> DigestRecord:
        row = self._repository.rows.get(run.snapshot_id)
        is_bound = row is not None and row.ciphertext.format == "envelope"
        ciphertext = self._repository.with_data_key(row.ciphertext) if row and is_bound else None
        return DigestRecord(run.snapshot_id, device_id, run.tenant_id, run.digest, ciphertext)
