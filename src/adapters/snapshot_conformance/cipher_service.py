"""The contracts of ciphers and decryptors whose work is done by a service that can fail.

They add to those of `snapshot_conformance.cipher` what happens when the service refuses an item
or does not answer. A subclass overrides the fixture `harness`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import pytest

from snapshot_conformance.cipher import (
    AAD,
    CipherContract,
    CipherHarness,
    DecryptorContract,
    DecryptorHarness,
    QuarantineCipherContract,
    QuarantineCipherHarness,
    assert_tells_nothing,
    text_number,
    the_ciphertext,
    the_plaintext,
)
from snapshot_domain.errors import Refused, Unavailable
from snapshot_domain.ports.cipher import CipherAnswer, CipherItem, OwnKey, TenantKey
from snapshot_domain.ports.decryptor import DecryptorAnswer, DecryptorItem
from snapshot_domain.secret import Configuration, RawMessage, Secret


class Interruption(ABC):
    """How a contract stops and resumes the service behind an adapter."""

    @abstractmethod
    async def interrupt(self) -> None:
        """From now on the service does not answer."""

    @abstractmethod
    async def resume(self) -> None:
        """Returns when the service answers again."""


class CipherServiceHarness(CipherHarness, Interruption):
    """A Cipher over a service, and what is around it."""

    @abstractmethod
    def refused_plaintext(self) -> Secret:
        """A plaintext that this cipher can never encrypt, for instance one that is too large."""


class QuarantineCipherServiceHarness(QuarantineCipherHarness, Interruption):
    """A QuarantineCipher over a service, and what is around it."""


class DecryptorServiceHarness(DecryptorHarness, Interruption):
    """A Decryptor over a service, and what is around it."""


class CipherServiceContract(CipherContract):
    """What every Cipher over a service promises."""

    @pytest.fixture
    async def harness(self) -> CipherServiceHarness:
        """The adapter under test; a subclass overrides this."""
        raise NotImplementedError

    async def test_a_refused_item_costs_no_other_its_place(
        self, harness: CipherServiceHarness
    ) -> None:
        key = TenantKey(await harness.tenant_with_key())
        items = [
            CipherItem(key, Configuration(text_number(0))),
            CipherItem(key, harness.refused_plaintext()),
            CipherItem(key, Configuration(text_number(2))),
        ]
        first, second, third = await harness.cipher.encrypt(items)
        assert await harness.open_raw(key, the_ciphertext(first), "") == text_number(0)
        assert await harness.open_raw(key, the_ciphertext(third), "") == text_number(2)
        assert isinstance(second, Refused)
        assert_tells_nothing(second)

    async def test_an_interrupted_cipher_is_unavailable_for_every_item_and_heals(
        self, harness: CipherServiceHarness
    ) -> None:
        key = TenantKey(await harness.tenant_with_key())
        items = [CipherItem(key, Configuration(text_number(number))) for number in range(3)]
        await harness.interrupt()
        answers: Sequence[CipherAnswer] = []
        refusal: Unavailable | None = None
        try:
            answers = await harness.cipher.encrypt(items)
            with pytest.raises(Unavailable) as raised:
                await harness.cipher.check()
            refusal = raised.value
        finally:
            await harness.resume()
        assert refusal is not None
        assert_tells_nothing(refusal)
        assert len(answers) == len(items)
        for answer in answers:
            assert isinstance(answer, Unavailable)
            assert_tells_nothing(answer)
        await harness.cipher.check()
        for answer in await harness.cipher.encrypt(items):
            the_ciphertext(answer)


class QuarantineCipherServiceContract(QuarantineCipherContract):
    """What every QuarantineCipher over a service promises."""

    @pytest.fixture
    async def harness(self) -> QuarantineCipherServiceHarness:
        """The adapter under test; a subclass overrides this."""
        raise NotImplementedError

    async def test_an_interrupted_cipher_is_unavailable_and_heals(
        self, harness: QuarantineCipherServiceHarness
    ) -> None:
        items = [CipherItem(OwnKey.QUARANTINE, RawMessage(text_number(1)), AAD)]
        await harness.interrupt()
        answers: Sequence[CipherAnswer] = []
        try:
            answers = await harness.cipher.encrypt(items)
        finally:
            await harness.resume()
        [answer] = answers
        assert isinstance(answer, Unavailable)
        assert_tells_nothing(answer)
        [answer] = await harness.cipher.encrypt(items)
        the_ciphertext(answer)


class DecryptorServiceContract(DecryptorContract):
    """What every Decryptor over a service promises."""

    @pytest.fixture
    async def harness(self) -> DecryptorServiceHarness:
        """The adapter under test; a subclass overrides this."""
        raise NotImplementedError

    async def test_an_interrupted_decryptor_is_unavailable_and_heals(
        self, harness: DecryptorServiceHarness
    ) -> None:
        key = TenantKey(await harness.tenant_with_key())
        sealed = await harness.seal_raw(key, Configuration(text_number(1)), "")
        await harness.interrupt()
        answers: Sequence[DecryptorAnswer] = []
        try:
            answers = await harness.decryptor.decrypt([DecryptorItem(key, sealed)])
        finally:
            await harness.resume()
        [answer] = answers
        assert isinstance(answer, Unavailable)
        assert_tells_nothing(answer)
        [answer] = await harness.decryptor.decrypt([DecryptorItem(key, sealed)])
        assert the_plaintext(answer).reveal() == text_number(1)
