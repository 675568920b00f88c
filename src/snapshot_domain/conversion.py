"""Conversion: the stored texts of a tenant are brought into another format."""

from collections.abc import AsyncIterator, Sequence

from attrs import define, field

from snapshot_domain.errors import DependencyError
from snapshot_domain.model import Ciphertext, SnapshotId, TenantId, configuration_aad
from snapshot_domain.ports import (
    Cipher,
    CipherItem,
    Decryptor,
    DecryptorItem,
    StoredText,
    StoredTexts,
    TenantKey,
)
from snapshot_domain.rewriting import Renewed, Rewritten, rewrite
from snapshot_domain.secret import Secret

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
        aads = [configuration_aad(each.tenant_id, each.device_id, each.digest) for each in found]
        opened = await self.decryptor.decrypt(
            [
                DecryptorItem(TenantKey(each.tenant_id), each.ciphertext, aad)
                for each, aad in zip(found, aads, strict=True)
            ]
        )
        items = {
            place: CipherItem(TenantKey(found[place].tenant_id), plaintext, aads[place])
            for place, plaintext in enumerate(opened)
            if isinstance(plaintext, Secret)
        }
        sealed = dict(zip(items, await self.cipher.encrypt(list(items.values())), strict=True))
        answers: list[Ciphertext | DependencyError] = []
        for place, answer in enumerate(opened):
            answers.append(sealed[place] if isinstance(answer, Secret) else answer)
        return answers
