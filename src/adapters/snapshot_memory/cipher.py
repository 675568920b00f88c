"""Cipher in memory: keeps plaintext out of sight, and protects nothing."""

import base64
import hashlib
import secrets
from collections.abc import Sequence

from snapshot_domain.errors import Dependency, KeyMissing
from snapshot_domain.model import Ciphertext
from snapshot_domain.ports import CipherAnswer, CipherItem, KeyReference
from snapshot_domain.secret import Secret

_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_BYTES = 32


class MemoryKeyring:
    """The keys that there are, in all their versions, for ciphers and those who open their work."""

    def __init__(self) -> None:
        self._keys: dict[KeyReference, list[bytes]] = {}

    def create(self, reference: KeyReference) -> None:
        """Makes a key, once."""
        self._keys.setdefault(reference, [secrets.token_bytes(_KEY_BYTES)])

    def rotate(self, reference: KeyReference) -> None:
        """Gives the key another version, under which everything is sealed from now on."""
        self._keys[reference].append(secrets.token_bytes(_KEY_BYTES))

    def delete(self, reference: KeyReference) -> None:
        """Takes a key away for good."""
        del self._keys[reference]

    def newest_version(self, reference: KeyReference) -> int:
        """The version that seals, counted from 1."""
        return len(self._keys[reference])

    def __contains__(self, reference: KeyReference) -> bool:
        return reference in self._keys

    def seal(self, reference: KeyReference, plaintext: Secret, aad: str) -> bytes:
        """Nonce, tag and masked bytes, under the newest version."""
        key = self._keys[reference][-1]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        masked = _mask(key, nonce, plaintext.reveal())
        return nonce + _tag(key, nonce, masked, aad) + masked

    def open(self, reference: KeyReference, sealed: bytes, aad: str) -> bytes | None:
        """What was sealed, None if it was another key's, bound to another text or altered."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        tag, masked = rest[:_TAG_BYTES], rest[_TAG_BYTES:]
        for key in self._keys[reference]:
            if secrets.compare_digest(tag, _tag(key, nonce, masked, aad)):
                return _mask(key, nonce, masked)
        return None


def _mask(key: bytes, nonce: bytes, data: bytes) -> bytes:
    stream = hashlib.shake_256(key + nonce).digest(len(data))
    masked = int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")
    return masked.to_bytes(len(data), "big")


def _tag(key: bytes, nonce: bytes, masked: bytes, aad: str) -> bytes:
    return hashlib.blake2b(
        nonce + aad.encode() + b"\0" + masked, key=key, digest_size=_TAG_BYTES
    ).digest()


class MemoryCipher:
    """Seals configurations under the keyring's keys, as text of the format `transit`."""

    _binds_aad = False

    def __init__(self, keyring: MemoryKeyring) -> None:
        self._keyring = keyring

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        """See Cipher."""
        return [self._encrypt(item) for item in items]

    async def check(self) -> None:
        """Memory always answers."""

    def _encrypt(self, item: CipherItem) -> CipherAnswer:
        if item.key not in self._keyring:
            return KeyMissing(Dependency.CIPHER, "the keyring has no such key")
        aad = item.aad if self._binds_aad else ""
        sealed = self._keyring.seal(item.key, item.plaintext, aad)
        return Ciphertext(self._prefix(item.key) + base64.b64encode(sealed).decode())

    def _prefix(self, key: KeyReference) -> str:
        return f"vault:v{self._keyring.newest_version(key)}:"


class MemoryQuarantineCipher(MemoryCipher):
    """Seals whole messages, bound to where they came from."""

    _binds_aad = True

    def _prefix(self, key: KeyReference) -> str:  # noqa: ARG002 - the format names no version
        return "si1q:"
