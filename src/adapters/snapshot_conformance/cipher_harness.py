"""What the contracts of Cipher, QuarantineCipher and Decryptor need around the adapter."""

from abc import ABC, abstractmethod
from uuid import uuid4

from snapshot_domain.errors import DependencyError
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports.cipher import (
    Cipher,
    CipherAnswer,
    KeyReference,
    QuarantineCipher,
)
from snapshot_domain.ports.decryptor import Decryptor, DecryptorAnswer
from snapshot_domain.ports.resealer import Resealer
from snapshot_domain.secret import Secret

MARKER = "wpa2-pre-shared-key-9f31c7e2"
"""Stands in every plaintext here, so that one look tells whether something leaks."""

AAD = "si1q|DEVICE_EVENTS|1775110509000000000|42"
OTHER_AAD = "si1q|DEVICE_EVENTS|1775110509000000000|43"


def text_number(number: int) -> bytes:
    """A small configuration that differs from all others by its number."""
    return f"/interface wifi set 0 passphrase={MARKER} comment={number}\n".encode()


class _TenantKeys(ABC):
    """The tenants' keys around an adapter under test."""

    @abstractmethod
    async def tenant_with_key(self) -> TenantId:
        """A tenant, another one on each call, whose key is there."""

    async def tenant_without_key(self) -> TenantId:
        """A tenant whose key was never made."""
        return TenantId(uuid4())


class CipherHarness(_TenantKeys):
    """A Cipher under test and what is around it."""

    cipher: Cipher

    @abstractmethod
    async def open_raw(self, key: KeyReference, ciphertext: Ciphertext, aad: str) -> bytes:
        """The plaintext, opened without the adapter under test; raises if it cannot be opened."""


class QuarantineCipherHarness(ABC):
    """A QuarantineCipher under test and what is around it."""

    cipher: QuarantineCipher

    @abstractmethod
    async def open_raw(self, key: KeyReference, ciphertext: Ciphertext, aad: str) -> bytes:
        """The plaintext, opened without the adapter under test; raises if it cannot be opened."""


class DecryptorHarness(_TenantKeys):
    """A Decryptor under test and what is around it."""

    decryptor: Decryptor

    @abstractmethod
    async def seal_raw(self, key: KeyReference, plaintext: Secret, aad: str) -> Ciphertext:
        """What the Cipher (a Configuration) or the QuarantineCipher (a RawMessage) would make."""


class ResealerHarness(ABC):
    """A Resealer under test and what is around it."""

    resealer: Resealer

    @abstractmethod
    async def seal_raw(self, key: KeyReference, plaintext: Secret, aad: str) -> Ciphertext:
        """What the QuarantineCipher would make of a RawMessage."""

    @abstractmethod
    async def open_raw(self, key: KeyReference, ciphertext: Ciphertext, aad: str) -> bytes:
        """The plaintext, opened without the adapter under test; raises if it cannot be opened."""


def the_ciphertext(answer: CipherAnswer) -> Ciphertext:
    """The answer, which must be a ciphertext."""
    assert isinstance(answer, Ciphertext), answer
    return answer


def the_plaintext(answer: DecryptorAnswer) -> Secret:
    """The answer, which must be a plaintext."""
    assert isinstance(answer, Secret), answer
    return answer


def assert_tells_nothing(fault: DependencyError) -> None:
    """Nothing that Python prints of a fault holds content, and nothing travels along."""
    assert MARKER not in f"{fault} {fault!r} {fault.args} {vars(fault)}"
    assert fault.__cause__ is None
    assert fault.__context__ is None
