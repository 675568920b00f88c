"""The ciphers, the decryptor and the resealer in memory keep the contracts of their ports."""

from uuid import uuid4

import pytest

from snapshot_conformance.cipher import (
    CipherContract,
    CipherHarness,
    DecryptorContract,
    DecryptorHarness,
    QuarantineCipherContract,
    QuarantineCipherHarness,
)
from snapshot_conformance.cipher_harness import ResealerHarness
from snapshot_conformance.resealer import ResealerContract
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports import CipherItem, DecryptorItem, KeyReference, OwnKey, TenantKey
from snapshot_domain.secret import RawMessage, Secret
from snapshot_memory import (
    MemoryCipher,
    MemoryDecryptor,
    MemoryKeyring,
    MemoryQuarantineCipher,
    MemoryResealer,
)


def _keyring_with_own_keys() -> MemoryKeyring:
    keyring = MemoryKeyring()
    for key in OwnKey:
        keyring.create(key)
    return keyring


def _new_tenant(keyring: MemoryKeyring) -> TenantId:
    tenant_id = TenantId(uuid4())
    keyring.create(TenantKey(tenant_id))
    return tenant_id


async def _opened(
    keyring: MemoryKeyring, key: KeyReference, ciphertext: Ciphertext, aad: str
) -> bytes:
    [answer] = await MemoryDecryptor(keyring).decrypt([DecryptorItem(key, ciphertext, aad)])
    if isinstance(answer, Secret):
        return answer.reveal()
    raise answer


async def _sealed(
    keyring: MemoryKeyring, key: KeyReference, plaintext: Secret, aad: str
) -> Ciphertext:
    kind = MemoryQuarantineCipher if isinstance(plaintext, RawMessage) else MemoryCipher
    [answer] = await kind(keyring).encrypt([CipherItem(key, plaintext, aad)])
    if isinstance(answer, Ciphertext):
        return answer
    raise answer


class _Cipher(CipherHarness):
    def __init__(self) -> None:
        self.keyring = _keyring_with_own_keys()
        self.cipher = MemoryCipher(self.keyring)

    async def tenant_with_key(self) -> TenantId:
        return _new_tenant(self.keyring)

    async def open_raw(self, key: KeyReference, ciphertext: Ciphertext, aad: str) -> bytes:
        return await _opened(self.keyring, key, ciphertext, aad)


class _QuarantineCipher(QuarantineCipherHarness):
    def __init__(self) -> None:
        self.keyring = _keyring_with_own_keys()
        self.cipher = MemoryQuarantineCipher(self.keyring)

    async def open_raw(self, key: KeyReference, ciphertext: Ciphertext, aad: str) -> bytes:
        return await _opened(self.keyring, key, ciphertext, aad)


class _Decryptor(DecryptorHarness):
    def __init__(self) -> None:
        self.keyring = _keyring_with_own_keys()
        self.decryptor = MemoryDecryptor(self.keyring)

    async def tenant_with_key(self) -> TenantId:
        return _new_tenant(self.keyring)

    async def seal_raw(self, key: KeyReference, plaintext: Secret, aad: str) -> Ciphertext:
        return await _sealed(self.keyring, key, plaintext, aad)


class _Resealer(ResealerHarness):
    def __init__(self) -> None:
        self.keyring = _keyring_with_own_keys()
        self.resealer = MemoryResealer(self.keyring)

    async def seal_raw(self, key: KeyReference, plaintext: Secret, aad: str) -> Ciphertext:
        return await _sealed(self.keyring, key, plaintext, aad)

    async def open_raw(self, key: KeyReference, ciphertext: Ciphertext, aad: str) -> bytes:
        return await _opened(self.keyring, key, ciphertext, aad)


class TestMemoryCipher(CipherContract):
    @pytest.fixture
    async def harness(self) -> CipherHarness:
        return _Cipher()


class TestMemoryQuarantineCipher(QuarantineCipherContract):
    @pytest.fixture
    async def harness(self) -> QuarantineCipherHarness:
        return _QuarantineCipher()


class TestMemoryDecryptor(DecryptorContract):
    @pytest.fixture
    async def harness(self) -> DecryptorHarness:
        return _Decryptor()


class TestMemoryResealer(ResealerContract):
    @pytest.fixture
    async def harness(self) -> ResealerHarness:
        return _Resealer()
