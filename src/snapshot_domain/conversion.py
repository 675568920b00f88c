"""Conversion: the stored texts of a tenant are brought into another format."""

from collections.abc import AsyncIterator, Sequence

from attrs import define, field

from snapshot_domain.model import SnapshotId, TenantId, configuration_aad
from snapshot_domain.ports import Cipher, Decryptor, StoredText, StoredTexts
from snapshot_domain.rewriting import Bound, Renewed, Rewritten, reseal, rewrite

_TEXTS_A_PAGE = 200


@define
class Conversion:
    """Opens with the reader's role and encrypts with the ingest role, a page at a time.

    Safe beside running workers, and resumes wherever it was ended.
    """

    texts: StoredTexts
    decryptor: Decryptor
    cipher: Cipher
    chosen: str
    rewritten: Rewritten = field(factory=Rewritten)

    async def convert(self, tenant_id: TenantId) -> AsyncIterator[int]:
        """Yields after each page how many texts were looked at.

        A text that does not open stays as it is. Raises `Unavailable` or `Misconfigured`.
        """

        async def page(after: SnapshotId) -> Sequence[StoredText]:
            return await self.texts.in_other_formats(tenant_id, self.chosen, after, _TEXTS_A_PAGE)

        async for looked_at in rewrite(self.texts, page, self._renew, self.rewritten):
            yield looked_at

    async def _renew(self, found: Sequence[StoredText]) -> Renewed:
        return await reseal(self.decryptor, self.cipher, [_as_bound(each) for each in found])


def _as_bound(stored: StoredText) -> Bound:
    aad = configuration_aad(stored.tenant_id, stored.device_id, stored.digest)
    return Bound(stored.tenant_id, stored.ciphertext, aad, aad)
