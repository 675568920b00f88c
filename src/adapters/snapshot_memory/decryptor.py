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
        sealed = _decoded(text.removeprefix("si1q:") if is_message else text.rpartition(":")[2])
        if sealed is None:
            return Refused(Dependency.CIPHER, "the text is no ciphertext")
        opened = self._keyring.open(item.key, sealed, item.aad if is_message else "")
        if opened is None:
            return Refused(Dependency.CIPHER, "the ciphertext does not open")
        return RawMessage(opened) if is_message else Configuration(opened)


def _decoded(text: str) -> bytes | None:
    """The bytes behind the base64, None if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None
