"""Decryptor: the reading side. Ingestion's own opens only what waits."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from attrs import frozen

from snapshot_domain.errors import KeyMissing, Misconfigured, Refused, Unavailable
from snapshot_domain.model import Ciphertext
from snapshot_domain.ports.cipher import KeyReference
from snapshot_domain.secret import Secret


@frozen
class DecryptorItem:
    """Something to decrypt, the key it is under, and the text it was bound to."""

    key: KeyReference
    ciphertext: Ciphertext
    aad: str = ""


DecryptorAnswer: TypeAlias = Secret | Refused | KeyMissing | Unavailable | Misconfigured


class Decryptor(Protocol):
    """Opens what a Cipher sealed, whatever its format."""

    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        """For each item, in order, its plaintext or the fault that kept it closed."""
        ...
