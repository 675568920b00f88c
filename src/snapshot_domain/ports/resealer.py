"""Resealer: takes what waited out of ingestion's own reach."""

from collections.abc import Sequence
from typing import Protocol

from snapshot_domain.ports.cipher import CipherAnswer
from snapshot_domain.ports.decryptor import DecryptorItem


class Resealer(Protocol):
    """Seals for a person what was sealed for ingestion: the same body under another key."""

    async def reseal(self, items: Sequence[DecryptorItem]) -> Sequence[CipherAnswer]:
        """For each item, in order, the ciphertext that opens with `OwnKey.QUARANTINE` alone.

        It is bound to the same text as the item. Faults are returned and not raised.
        """
        ...
