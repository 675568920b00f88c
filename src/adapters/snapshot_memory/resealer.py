"""Resealer in memory."""

from collections.abc import Sequence

from snapshot_domain.ports import CipherAnswer, CipherItem, DecryptorItem, OwnKey
from snapshot_domain.secret import Secret
from snapshot_memory.cipher import MemoryKeyring, MemoryQuarantineCipher
from snapshot_memory.decryptor import MemoryDecryptor


class MemoryResealer:
    """Opens and seals again, with the keys of one keyring."""

    def __init__(self, keyring: MemoryKeyring) -> None:
        self._decryptor = MemoryDecryptor(keyring)
        self._cipher = MemoryQuarantineCipher(keyring)

    async def reseal(self, items: Sequence[DecryptorItem]) -> Sequence[CipherAnswer]:
        """See Resealer."""
        return [await self._reseal(item) for item in items]

    async def _reseal(self, item: DecryptorItem) -> CipherAnswer:
        (opened,) = await self._decryptor.decrypt([item])
        if not isinstance(opened, Secret):
            return opened
        (sealed,) = await self._cipher.encrypt([CipherItem(OwnKey.QUARANTINE, opened, item.aad)])
        return sealed
