"""Cipher: from plaintext to ciphertext. There is no way back through this port."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol, TypeAlias

from attrs import frozen

from snapshot_domain.errors import KeyMissing, Misconfigured, Refused, Unavailable
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.secret import Secret


@frozen
class TenantKey:
    """The key of one tenant."""

    tenant_id: TenantId


class OwnKey(StrEnum):
    """The keys that belong to snapshot-ingest itself."""

    QUARANTINE = "snapshot_ingest_quarantine"
    WAITING = "snapshot_ingest_waiting"
    CANARY = "snapshot_ingest_canary"
    DIGEST = "snapshot_ingest_digest"


KeyReference: TypeAlias = TenantKey | OwnKey


@frozen
class CipherItem:
    """Something to encrypt, the key to use, and the text that the ciphertext is bound to.

    A format that has no additional authenticated data leaves `aad` out.
    """

    key: KeyReference
    plaintext: Secret
    aad: str = ""


CipherAnswer: TypeAlias = Ciphertext | Refused | KeyMissing | Unavailable | Misconfigured


class Cipher(Protocol):
    """Encrypts configurations."""

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        """For each item, in order, its ciphertext or the fault that kept it from one.

        Faults are returned and not raised, because one item's fault must not cost another
        its place.
        """
        ...

    async def check(self) -> None:
        """Returns if the cipher really encrypts; raises `Unavailable` or `Misconfigured`."""
        ...


class QuarantineCipher(Cipher, Protocol):
    """A Cipher for whole raw messages: none is too large or too odd for it."""
