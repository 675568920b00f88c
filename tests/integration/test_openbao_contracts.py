"""The contracts of Cipher, QuarantineCipher, Decryptor and Resealer, on the real OpenBao."""

import os
from collections.abc import AsyncIterator

import pytest
import zstandard

from snapshot_conformance.cipher import CipherContract, DecryptorContract
from snapshot_conformance.cipher_harness import CipherHarness, DecryptorHarness, ResealerHarness
from snapshot_conformance.cipher_service import (
    CipherServiceContract,
    CipherServiceHarness,
    DecryptorServiceContract,
    DecryptorServiceHarness,
    Interruption,
    QuarantineCipherServiceContract,
    QuarantineCipherServiceHarness,
)
from snapshot_conformance.resealer import ResealerContract
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports import KeyReference, TenantKey
from snapshot_domain.secret import Configuration, RawMessage, Secret
from snapshot_ingest.stack import EmbeddedStack
from snapshot_openbao import (
    Address,
    CompressedCipher,
    EnvelopeCipher,
    OpenBao,
    SealedBodyCipher,
    SealedBodyResealer,
    TransitCipher,
    TransitDecryptor,
)
from support.clock import MovableClock
from support.openbao import DECRYPT_ALL, RawOpenBao, login_of

_TOO_LARGE_BYTES = 25 * 1024 * 1024


class _Killed(Interruption):
    """Kills the server, and starts it again."""

    def __init__(self, stack: EmbeddedStack, raw: RawOpenBao) -> None:
        self._stack = stack
        self.raw = raw

    async def interrupt(self) -> None:
        await self._stack.kill("openbao")

    async def resume(self) -> None:
        await self._stack.start("openbao")

    async def tenant_with_key(self) -> TenantId:
        return await self.raw.new_tenant()


class _Cipher(_Killed, CipherServiceHarness):
    def __init__(self, stack: EmbeddedStack, raw: RawOpenBao, cipher: TransitCipher) -> None:
        super().__init__(stack, raw)
        self.cipher = cipher

    async def open_raw(self, key: KeyReference, ciphertext: Ciphertext, aad: str) -> bytes:  # noqa: ARG002 - this format binds nothing
        return await self.raw.decrypt(key, ciphertext)

    def refused_plaintext(self) -> Secret:
        return Configuration(bytes(_TOO_LARGE_BYTES))


class _Compressed(_Killed, CipherServiceHarness):
    def __init__(self, stack: EmbeddedStack, raw: RawOpenBao, cipher: CompressedCipher) -> None:
        super().__init__(stack, raw)
        self.cipher = cipher

    async def open_raw(self, key: KeyReference, ciphertext: Ciphertext, aad: str) -> bytes:  # noqa: ARG002 - this format binds nothing
        return await self.raw.open_compressed(key, ciphertext)

    def refused_plaintext(self) -> Secret:
        return Configuration(os.urandom(_TOO_LARGE_BYTES))


class _Envelope(_Killed, CipherHarness):
    def __init__(self, stack: EmbeddedStack, raw: RawOpenBao, cipher: EnvelopeCipher) -> None:
        super().__init__(stack, raw)
        self.cipher = cipher

    async def open_raw(self, key: KeyReference, ciphertext: Ciphertext, aad: str) -> bytes:
        assert ciphertext.wrapped_key is not None
        wrapped = ciphertext.wrapped_key.text
        return await self.raw.open_enveloped(key, ciphertext.text, wrapped, aad)


class _QuarantineCipher(_Killed, QuarantineCipherServiceHarness):
    def __init__(self, stack: EmbeddedStack, raw: RawOpenBao, cipher: SealedBodyCipher) -> None:
        super().__init__(stack, raw)
        self.cipher = cipher

    async def open_raw(self, key: KeyReference, ciphertext: Ciphertext, aad: str) -> bytes:
        return await self.raw.open_body(key, ciphertext, aad)


class _Decryptor(_Killed, DecryptorServiceHarness):
    def __init__(self, stack: EmbeddedStack, raw: RawOpenBao, decryptor: TransitDecryptor) -> None:
        super().__init__(stack, raw)
        self.decryptor = decryptor

    async def seal_raw(self, key: KeyReference, plaintext: Secret, aad: str) -> Ciphertext:
        if isinstance(plaintext, RawMessage):
            return await self.raw.seal_body(key, plaintext.reveal(), aad)
        return await self.raw.encrypt(key, plaintext.reveal())


class _DecryptorOfEnvelopes(_Decryptor, DecryptorHarness):
    async def seal_raw(self, key: KeyReference, plaintext: Secret, aad: str) -> Ciphertext:
        if isinstance(key, TenantKey):
            return await self.raw.seal_enveloped(key, plaintext.reveal(), aad)
        return await super().seal_raw(key, plaintext, aad)


class _DecryptorOfCompressed(_Decryptor, DecryptorHarness):
    async def seal_raw(self, key: KeyReference, plaintext: Secret, aad: str) -> Ciphertext:
        if isinstance(key, TenantKey):
            compressed = zstandard.compress(plaintext.reveal())
            return Ciphertext(f"si1z:{(await self.raw.encrypt(key, compressed)).text}")
        return await super().seal_raw(key, plaintext, aad)


class _Resealer(ResealerHarness):
    """As the ingest role, which may open what waits and nothing else."""

    def __init__(self, raw: RawOpenBao, ingest: OpenBao) -> None:
        self._raw = raw
        cipher = TransitCipher(ingest, MovableClock())
        self.resealer = SealedBodyResealer(TransitDecryptor(ingest), cipher)

    async def seal_raw(self, key: KeyReference, plaintext: Secret, aad: str) -> Ciphertext:
        return await self._raw.seal_body(key, plaintext.reveal(), aad)

    async def open_raw(self, key: KeyReference, ciphertext: Ciphertext, aad: str) -> bytes:
        return await self._raw.open_body(key, ciphertext, aad)


@pytest.fixture(scope="module")
async def raw(stack: EmbeddedStack) -> AsyncIterator[RawOpenBao]:
    async with RawOpenBao.of(stack) as raw:
        yield raw


@pytest.fixture(scope="module")
async def ingest(stack: EmbeddedStack) -> AsyncIterator[OpenBao]:
    address = Address(stack.addresses.openbao_url)
    login = login_of(stack.addresses.ingest_approle)
    async with OpenBao(address, login, MovableClock()) as openbao:
        yield openbao


class TestTransitCipher(CipherServiceContract):
    @pytest.fixture
    async def harness(
        self, stack: EmbeddedStack, raw: RawOpenBao, ingest: OpenBao
    ) -> CipherServiceHarness:
        return _Cipher(stack, raw, TransitCipher(ingest, MovableClock()))


class TestCompressedCipher(CipherServiceContract):
    @pytest.fixture
    async def harness(
        self, stack: EmbeddedStack, raw: RawOpenBao, ingest: OpenBao
    ) -> CipherServiceHarness:
        inner = TransitCipher(ingest, MovableClock())
        return _Compressed(stack, raw, CompressedCipher(inner, ingest.threads))


class TestEnvelopeCipher(CipherContract):
    @pytest.fixture
    async def harness(
        self, stack: EmbeddedStack, raw: RawOpenBao, ingest: OpenBao
    ) -> CipherHarness:
        clock = MovableClock()
        wrapper = TransitCipher(ingest, clock)
        return _Envelope(stack, raw, EnvelopeCipher(wrapper, ingest.threads, clock))


class TestSealedBodyCipher(QuarantineCipherServiceContract):
    @pytest.fixture
    async def harness(
        self, stack: EmbeddedStack, raw: RawOpenBao, ingest: OpenBao
    ) -> QuarantineCipherServiceHarness:
        wrapper = TransitCipher(ingest, MovableClock())
        return _QuarantineCipher(stack, raw, SealedBodyCipher(wrapper, ingest.threads))


class TestTransitDecryptor(DecryptorServiceContract):
    @pytest.fixture
    async def harness(
        self, stack: EmbeddedStack, raw: RawOpenBao
    ) -> AsyncIterator[DecryptorServiceHarness]:
        address = Address(stack.addresses.openbao_url)
        login = await raw.new_login(DECRYPT_ALL)
        async with OpenBao(address, login, MovableClock()) as openbao:
            yield _Decryptor(stack, raw, TransitDecryptor(openbao))


class TestTransitDecryptorOfEnvelopes(DecryptorContract):
    @pytest.fixture
    async def harness(
        self, stack: EmbeddedStack, raw: RawOpenBao
    ) -> AsyncIterator[DecryptorHarness]:
        address = Address(stack.addresses.openbao_url)
        login = await raw.new_login(DECRYPT_ALL)
        async with OpenBao(address, login, MovableClock()) as openbao:
            yield _DecryptorOfEnvelopes(stack, raw, TransitDecryptor(openbao))


class TestTransitDecryptorOfCompressed(DecryptorContract):
    @pytest.fixture
    async def harness(
        self, stack: EmbeddedStack, raw: RawOpenBao
    ) -> AsyncIterator[DecryptorHarness]:
        address = Address(stack.addresses.openbao_url)
        login = await raw.new_login(DECRYPT_ALL)
        async with OpenBao(address, login, MovableClock()) as openbao:
            yield _DecryptorOfCompressed(stack, raw, TransitDecryptor(openbao))


class TestSealedBodyResealer(ResealerContract):
    @pytest.fixture
    async def harness(self, raw: RawOpenBao, ingest: OpenBao) -> ResealerHarness:
        return _Resealer(raw, ingest)
