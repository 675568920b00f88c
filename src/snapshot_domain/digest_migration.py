"""The migration of digests: the plain ones of a tenant become keyed."""

from collections.abc import AsyncIterator, Sequence

from attrs import define, field

from snapshot_domain.digests import DigestKey
from snapshot_domain.errors import DependencyError
from snapshot_domain.model import Ciphertext, Digest, TenantId, configuration_aad
from snapshot_domain.ports import (
    Cipher,
    Decryptor,
    DigestRecord,
    DigestRecords,
    DigestSwap,
)
from snapshot_domain.rewriting import FIRST, Bound, Rewritten, reseal


@define
class DigestMigration:
    """Makes each digest of the plain one that is stored; no text is opened for that.

    But a text that is bound to its digest is opened with the reader's role, and encrypted anew
    with the ingest role. Safe beside workers whose digests are keyed, and resumes wherever it
    was ended.
    """

    records: DigestRecords
    key: DigestKey
    decryptor: Decryptor
    cipher: Cipher
    page_records: int = 500
    rewritten: Rewritten = field(factory=Rewritten)

    async def migrate(self, tenant_id: TenantId) -> AsyncIterator[int]:
        """Yields after each page how many digests were looked at.

        A digest whose text does not open stays as it is. Raises `Unavailable` or
        `Misconfigured`.
        """
        after = FIRST
        while found := await self.records.plain(tenant_id, after, self.page_records):
            after = found[-1].snapshot_id
            swaps = await self._swaps(found)
            swapped = await self.records.swap(self.key.key_id, swaps)
            self.rewritten.replaced += len(swapped)
            self.rewritten.changed_meanwhile += len(swaps) - len(swapped)
            yield len(found)

    async def _swaps(self, found: Sequence[DigestRecord]) -> list[DigestSwap]:
        keyed = [self.key.of(each.tenant_id, each.digest) for each in found]
        bound = {
            place: _bound(record, record.ciphertext, keyed[place])
            for place, record in enumerate(found)
            if record.ciphertext is not None
        }
        renewed = await reseal(self.decryptor, self.cipher, list(bound.values()))
        answers = dict(zip(bound, renewed, strict=True))
        swaps = []
        for place, record in enumerate(found):
            answer = answers.get(place)
            if isinstance(answer, DependencyError):
                self.rewritten.leave(answer)
            else:
                swaps.append(DigestSwap(record, keyed[place], answer))
        return swaps


def _bound(record: DigestRecord, ciphertext: Ciphertext, keyed: Digest) -> Bound:
    tenant_id, device_id = record.tenant_id, record.device_id
    return Bound(
        tenant_id,
        ciphertext,
        former_aad=configuration_aad(tenant_id, device_id, record.digest),
        aad=configuration_aad(tenant_id, device_id, keyed),
    )
