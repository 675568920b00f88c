"""The text form of a quarantined body."""

from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from snapshot_domain.model import Ciphertext
from snapshot_domain.secret import RawMessage, Secret
from snapshot_openbao.errors import Problem
from snapshot_openbao.sealed_body_format import SealedBody, new_key, seal, unseal

_AAD = "si1q|DEVICE_EVENTS|1775110509000000000|42"
_WRAPPED = Ciphertext("vault:v1:AAAA")


@given(st.binary(max_size=200), st.text(max_size=40))
def test_what_is_sealed_opens_with_its_key_and_associated_data(body: bytes, aad: str) -> None:
    key = new_key()
    opened = unseal(key, seal(key, RawMessage(body), aad), aad)
    assert isinstance(opened, RawMessage)
    assert opened.reveal() == body


def test_the_box_is_nonce_and_aes_256_gcm_in_base64() -> None:
    key = new_key()
    box = b64decode(seal(key, RawMessage(b"body"), _AAD), validate=True)
    assert key.size_bytes == 32
    assert AESGCM(key.reveal()).decrypt(box[:12], box[12:], _AAD.encode("ascii")) == b"body"


def test_no_two_seals_share_a_nonce_and_no_two_keys_are_the_same() -> None:
    key = new_key()
    nonces = {b64decode(seal(key, RawMessage(b""), ""))[:12] for _ in range(100)}
    assert len(nonces) == 100
    assert len({new_key().reveal() for _ in range(100)}) == 100


def test_another_key_other_data_or_a_changed_box_does_not_open() -> None:
    key = new_key()
    box = seal(key, RawMessage(b"body"), _AAD)
    changed = bytearray(b64decode(box))
    changed[-1] ^= 1
    assert unseal(new_key(), box, _AAD) is Problem.NOT_AUTHENTIC
    assert unseal(key, box, _AAD + "3") is Problem.NOT_AUTHENTIC
    assert unseal(key, b64encode(changed).decode(), _AAD) is Problem.NOT_AUTHENTIC


@pytest.mark.parametrize("box", ["", "A", "AAAA", "é", "!!!!", "AAAA AAAA"])
def test_what_is_no_box_does_not_open(box: str) -> None:
    assert unseal(new_key(), box, _AAD) is Problem.NO_CIPHERTEXT


def test_a_key_of_another_length_does_not_open() -> None:
    box = seal(new_key(), RawMessage(b"body"), _AAD)
    assert unseal(Secret(b"short"), box, _AAD) is Problem.NO_CIPHERTEXT


def test_the_text_form_is_the_contracts() -> None:
    sealed = SealedBody(_WRAPPED, "Qk9Y")
    assert sealed.ciphertext.text == "si1q:vault:v1:AAAA|Qk9Y"
    assert SealedBody.parse(sealed.ciphertext) == sealed


@pytest.mark.parametrize(
    "text",
    ["", "si1q:", "si1q:|", "si1q:vault:v1:AAAA", "vault:v1:AAAA|Qk9Y", 'si1q:vault:v1:"|Qk9Y'],
)
def test_another_text_is_no_quarantined_body(text: str) -> None:
    assert SealedBody.parse(Ciphertext(text)) is Problem.NO_CIPHERTEXT
