"""The contracts of Cipher, QuarantineCipher and Decryptor, for any adapter to subclass.

A subclass overrides the fixture `harness`, and that is all: what it inherits says what the
port means. The harness looks around the adapter (`open_raw`, `seal_raw`), so that an adapter
is never checked against itself alone. An adapter for a service that can fail also passes
`snapshot_conformance.cipher_service`.
"""

import pytest

from snapshot_conformance.cipher_harness import (
    AAD,
    MARKER,
    OTHER_AAD,
    CipherHarness,
    DecryptorHarness,
    QuarantineCipherHarness,
    assert_tells_nothing,
    text_number,
    the_ciphertext,
    the_plaintext,
)
from snapshot_conformance.secret_canary import SecretCanary
from snapshot_domain.errors import KeyMissing, Refused
from snapshot_domain.model import Ciphertext
from snapshot_domain.ports.cipher import (
    CipherItem,
    KeyReference,
    OwnKey,
    TenantKey,
)
from snapshot_domain.ports.decryptor import DecryptorItem
from snapshot_domain.secret import Configuration, RawMessage

__all__ = [
    "AAD",
    "MARKER",
    "OTHER_AAD",
    "CipherContract",
    "CipherHarness",
    "DecryptorContract",
    "DecryptorHarness",
    "QuarantineCipherContract",
    "QuarantineCipherHarness",
    "assert_tells_nothing",
    "text_number",
    "the_ciphertext",
    "the_plaintext",
]


class CipherContract:
    """What every Cipher promises."""

    @pytest.fixture
    async def harness(self) -> CipherHarness:
        """The adapter under test; a subclass overrides this."""
        raise NotImplementedError

    async def test_what_was_encrypted_can_be_opened_with_the_tenants_key(
        self, harness: CipherHarness
    ) -> None:
        key = TenantKey(await harness.tenant_with_key())
        [answer] = await harness.cipher.encrypt([CipherItem(key, Configuration(text_number(1)))])
        ciphertext = the_ciphertext(answer)
        assert await harness.open_raw(key, ciphertext, "") == text_number(1)

    async def test_a_ciphertext_says_its_format_and_shows_no_content(
        self, harness: CipherHarness
    ) -> None:
        key, canary = TenantKey(await harness.tenant_with_key()), SecretCanary()
        [answer] = await harness.cipher.encrypt([CipherItem(key, canary.configuration())])
        ciphertext = the_ciphertext(answer)
        assert ciphertext.format != "unknown"
        assert not canary.is_in(ciphertext.text)

    async def test_the_answers_stand_in_the_order_of_the_items_of_many_tenants(
        self, harness: CipherHarness
    ) -> None:
        keys = [TenantKey(await harness.tenant_with_key()) for _ in range(3)]
        items = [
            CipherItem(keys[number % 3], Configuration(text_number(number))) for number in range(30)
        ]
        answers = await harness.cipher.encrypt(items)
        opened = [
            await harness.open_raw(item.key, the_ciphertext(answer), "")
            for item, answer in zip(items, answers, strict=True)
        ]
        assert opened == [text_number(number) for number in range(30)]

    async def test_one_tenants_ciphertext_does_not_open_with_anothers_key(
        self, harness: CipherHarness
    ) -> None:
        key, other = [TenantKey(await harness.tenant_with_key()) for _ in range(2)]
        [answer] = await harness.cipher.encrypt([CipherItem(key, Configuration(text_number(1)))])
        with pytest.raises(Exception):  # noqa: B017, PT011 - what is raised is the harness's affair
            await harness.open_raw(other, the_ciphertext(answer), "")

    async def test_the_same_text_twice_gives_two_ciphertexts(self, harness: CipherHarness) -> None:
        key = TenantKey(await harness.tenant_with_key())
        items = [CipherItem(key, Configuration(text_number(1))) for _ in range(2)]
        first, second = await harness.cipher.encrypt(items)
        assert the_ciphertext(first).text != the_ciphertext(second).text

    @pytest.mark.parametrize(
        "text",
        [b"", b"\x00", b"a\x00b", "Zürich – 東京\n".encode(), bytes(range(256)), b'"\\\r\n'],
        ids=["empty", "nul", "nul-inside", "unicode", "all-bytes", "json-specials"],
    )
    async def test_an_odd_text_comes_back_byte_for_byte(
        self, harness: CipherHarness, text: bytes
    ) -> None:
        key = TenantKey(await harness.tenant_with_key())
        [answer] = await harness.cipher.encrypt([CipherItem(key, Configuration(text))])
        assert await harness.open_raw(key, the_ciphertext(answer), "") == text

    async def test_nothing_to_encrypt_is_answered_with_nothing(
        self, harness: CipherHarness
    ) -> None:
        assert list(await harness.cipher.encrypt([])) == []

    async def test_a_missing_key_costs_only_its_own_tenant(self, harness: CipherHarness) -> None:
        with_key = TenantKey(await harness.tenant_with_key())
        without = TenantKey(await harness.tenant_without_key())
        keys = [with_key, without, with_key, without]
        items = [CipherItem(key, Configuration(text_number(n))) for n, key in enumerate(keys)]
        first, second, third, fourth = await harness.cipher.encrypt(items)
        assert await harness.open_raw(with_key, the_ciphertext(first), "") == text_number(0)
        assert await harness.open_raw(with_key, the_ciphertext(third), "") == text_number(2)
        for fault in (second, fourth):
            assert isinstance(fault, KeyMissing)
            assert_tells_nothing(fault)

    async def test_the_check_passes_while_the_cipher_encrypts(self, harness: CipherHarness) -> None:
        await harness.cipher.check()


class QuarantineCipherContract:
    """What every QuarantineCipher promises: none is too large or too odd, and the AAD binds."""

    @pytest.fixture
    async def harness(self) -> QuarantineCipherHarness:
        """The adapter under test; a subclass overrides this."""
        raise NotImplementedError

    @pytest.mark.parametrize("key", [OwnKey.QUARANTINE, OwnKey.WAITING])
    async def test_a_body_can_be_opened_with_our_own_key(
        self, harness: QuarantineCipherHarness, key: OwnKey
    ) -> None:
        body, canary = text_number(1), SecretCanary()
        secret = canary.configuration().reveal()
        answers = await harness.cipher.encrypt(
            [CipherItem(key, RawMessage(each), AAD) for each in (body, secret)]
        )
        plain, sealed = map(the_ciphertext, answers)
        assert await harness.open_raw(key, plain, AAD) == body
        assert not canary.is_in(sealed.text)

    @pytest.mark.parametrize(
        "body",
        [b"", b"\x00" * 1000, b"\xff\xfe\xc0 no utf-8", b"{" * 100_000],
        ids=["empty", "nuls", "not-utf8", "deep"],
    )
    async def test_no_body_is_too_odd(self, harness: QuarantineCipherHarness, body: bytes) -> None:
        [answer] = await harness.cipher.encrypt(
            [CipherItem(OwnKey.QUARANTINE, RawMessage(body), AAD)]
        )
        opened = await harness.open_raw(OwnKey.QUARANTINE, the_ciphertext(answer), AAD)
        assert opened == body

    async def test_no_body_is_too_large(self, harness: QuarantineCipherHarness) -> None:
        forty_mib = bytes(range(256)) * (40 * 1024 * 1024 // 256)
        [answer] = await harness.cipher.encrypt(
            [CipherItem(OwnKey.QUARANTINE, RawMessage(forty_mib), AAD)]
        )
        opened = await harness.open_raw(OwnKey.QUARANTINE, the_ciphertext(answer), AAD)
        # Not "opened == forty_mib" in the assertion: pytest would compare them for a person.
        same = opened == forty_mib
        assert same

    async def test_a_ciphertext_is_bound_to_its_message(
        self, harness: QuarantineCipherHarness
    ) -> None:
        [answer] = await harness.cipher.encrypt(
            [CipherItem(OwnKey.QUARANTINE, RawMessage(text_number(1)), AAD)]
        )
        with pytest.raises(Exception):  # noqa: B017, PT011 - what is raised is the harness's affair
            await harness.open_raw(OwnKey.QUARANTINE, the_ciphertext(answer), OTHER_AAD)

    async def test_the_answers_stand_in_the_order_of_the_items(
        self, harness: QuarantineCipherHarness
    ) -> None:
        items = [
            CipherItem(
                OwnKey.WAITING if number % 2 else OwnKey.QUARANTINE,
                RawMessage(text_number(number)),
                f"{AAD}{number}",
            )
            for number in range(20)
        ]
        answers = await harness.cipher.encrypt(items)
        opened = [
            await harness.open_raw(item.key, the_ciphertext(answer), item.aad)
            for item, answer in zip(items, answers, strict=True)
        ]
        assert opened == [text_number(number) for number in range(20)]


class DecryptorContract:
    """What every Decryptor promises."""

    @pytest.fixture
    async def harness(self) -> DecryptorHarness:
        """The adapter under test; a subclass overrides this."""
        raise NotImplementedError

    async def test_a_stored_configuration_is_opened_as_one(self, harness: DecryptorHarness) -> None:
        key = TenantKey(await harness.tenant_with_key())
        sealed = await harness.seal_raw(key, Configuration(text_number(1)), "")
        [answer] = await harness.decryptor.decrypt([DecryptorItem(key, sealed)])
        assert isinstance(answer, Configuration)
        assert answer.reveal() == text_number(1)

    @pytest.mark.parametrize("key", [OwnKey.QUARANTINE, OwnKey.WAITING])
    async def test_a_quarantined_body_is_opened_as_a_raw_message(
        self, harness: DecryptorHarness, key: OwnKey
    ) -> None:
        sealed = await harness.seal_raw(key, RawMessage(text_number(1)), AAD)
        [answer] = await harness.decryptor.decrypt([DecryptorItem(key, sealed, AAD)])
        assert isinstance(answer, RawMessage)
        assert answer.reveal() == text_number(1)

    async def test_an_empty_plaintext_is_a_plaintext(self, harness: DecryptorHarness) -> None:
        key = TenantKey(await harness.tenant_with_key())
        sealed = await harness.seal_raw(key, Configuration(b""), "")
        [answer] = await harness.decryptor.decrypt([DecryptorItem(key, sealed)])
        assert the_plaintext(answer).reveal() == b""

    async def test_configurations_and_bodies_come_back_in_the_order_of_the_items(
        self, harness: DecryptorHarness
    ) -> None:
        keys = [TenantKey(await harness.tenant_with_key()) for _ in range(2)]
        items = []
        for number in range(12):
            if number % 3 == 2:
                key: KeyReference = OwnKey.WAITING
                sealed = await harness.seal_raw(key, RawMessage(text_number(number)), AAD)
                items.append(DecryptorItem(key, sealed, AAD))
            else:
                key = keys[number % 3]
                sealed = await harness.seal_raw(key, Configuration(text_number(number)), "")
                items.append(DecryptorItem(key, sealed))
        answers = await harness.decryptor.decrypt(items)
        opened = [the_plaintext(answer).reveal() for answer in answers]
        assert opened == [text_number(number) for number in range(12)]

    async def test_a_body_under_anothers_associated_data_is_refused(
        self, harness: DecryptorHarness
    ) -> None:
        key = OwnKey.QUARANTINE
        sealed = await harness.seal_raw(key, RawMessage(text_number(1)), AAD)
        [answer] = await harness.decryptor.decrypt([DecryptorItem(key, sealed, OTHER_AAD)])
        assert isinstance(answer, Refused)
        assert_tells_nothing(answer)

    @pytest.mark.parametrize(
        "text",
        ["", "plain", "vault:", "vault:v1:", "vault:v1:AAAA", 'vault:v1:"', "si1q:", "si1q:|", "é"],
    )
    async def test_what_is_no_ciphertext_is_refused_and_costs_no_other_its_place(
        self, harness: DecryptorHarness, text: str
    ) -> None:
        key = TenantKey(await harness.tenant_with_key())
        sealed = await harness.seal_raw(key, Configuration(text_number(1)), "")
        items = [DecryptorItem(key, Ciphertext(text)), DecryptorItem(key, sealed)]
        first, second = await harness.decryptor.decrypt(items)
        assert isinstance(first, Refused)
        assert_tells_nothing(first)
        assert the_plaintext(second).reveal() == text_number(1)

    async def test_a_changed_ciphertext_is_refused(self, harness: DecryptorHarness) -> None:
        key = TenantKey(await harness.tenant_with_key())
        sealed = await harness.seal_raw(key, Configuration(text_number(1)), "")
        middle = len(sealed.text) // 2
        other = "A" if sealed.text[middle] != "A" else "B"
        changed = Ciphertext(sealed.text[:middle] + other + sealed.text[middle + 1 :])
        first, second = await harness.decryptor.decrypt(
            [DecryptorItem(key, changed), DecryptorItem(key, sealed)]
        )
        assert isinstance(first, Refused)
        assert_tells_nothing(first)
        assert the_plaintext(second).reveal() == text_number(1)

    async def test_a_missing_key_costs_only_its_own_tenant(self, harness: DecryptorHarness) -> None:
        key = TenantKey(await harness.tenant_with_key())
        without = TenantKey(await harness.tenant_without_key())
        sealed = await harness.seal_raw(key, Configuration(text_number(1)), "")
        items = [DecryptorItem(without, sealed), DecryptorItem(key, sealed)]
        first, second = await harness.decryptor.decrypt(items)
        assert isinstance(first, KeyMissing)
        assert_tells_nothing(first)
        assert the_plaintext(second).reveal() == text_number(1)
