"""Decryptor in memory."""

import base64
from collections.abc import Sequence

from snapshot_domain.errors import Dependency, KeyMissing, Refused
from snapshot_domain.ports import DecryptorItem
from snapshot_domain.ports.decryptor import DecryptorAnswer
from snapshot_domain.secret import Configuration, RawMessage
from snapshot_memory.cipher import MemoryKeyring


class MemoryDecryptor:
    """Opens what the memory ciphers with the same keyring sealed."""

    def __init__(self, keyring: MemoryKeyring) -> None:
        self._keyring = keyring

    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        """See Decryptor."""
        return [self._decrypt(item) for item in items]

    def _decrypt(self, item: DecryptorItem) -> DecryptorAnswer:
        if item.key not in self._keyring:
            return KeyMissing(Dependency.CIPHER, "the keyring has no such key")
        text = item.ciphertext.text
        is_message = text.startswith("si1q:")
        aad = item.aad if is_message else ""
        opened = self._keyring.open(item.key, base64.b64decode(text.rpartition(":")[2]), aad)
        if opened is None:
            return Refused(Dependency.CIPHER, "the ciphertext does not open")
        return RawMessage(opened) if is_message else Configuration(opened)
