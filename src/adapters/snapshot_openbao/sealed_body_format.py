"""The text form of a quarantined body: `si1q:<wrapped key>|<base64 of nonce and ciphertext>`.

Pure: AES-256-GCM in the process, under a key that is used once and wrapped by Transit.
"""

import secrets
from base64 import b64decode, b64encode
from binascii import Error as BadBase64

from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from snapshot_domain.model import Ciphertext
from snapshot_domain.secret import RawMessage, Secret
from snapshot_openbao.ciphertext_text import is_of_transit
from snapshot_openbao.errors import Problem

PREFIX = "si1q:"

_SEPARATOR = "|"
_KEY_BYTES = 32
_NONCE_BYTES = 12


@frozen
class SealedBody:
    """A quarantined body taken apart: its wrapped key, and nonce and ciphertext in base64."""

    wrapped_key: Ciphertext
    box: str = field(repr=False)

    @classmethod
    def parse(cls, ciphertext: Ciphertext) -> "SealedBody | Problem":
        """The parts, or `NO_CIPHERTEXT`."""
        wrapped_key, separator, box = ciphertext.text.removeprefix(PREFIX).partition(_SEPARATOR)
        if not (ciphertext.text.startswith(PREFIX) and separator):
            return Problem.NO_CIPHERTEXT
        if not is_of_transit(wrapped_key):
            return Problem.NO_CIPHERTEXT
        return cls(Ciphertext(wrapped_key), box)

    @property
    def ciphertext(self) -> Ciphertext:
        """The parts in their text form."""
        return Ciphertext(f"{PREFIX}{self.wrapped_key.text}{_SEPARATOR}{self.box}")


def new_key() -> Secret:
    """A fresh random key. One message only, so that its nonce can never be used twice."""
    return Secret(secrets.token_bytes(_KEY_BYTES))


def seal(key: Secret, body: Secret, aad: str) -> str:
    """Nonce and ciphertext of the body, in base64, bound to the associated data."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(key.reveal()).encrypt(nonce, body.reveal(), aad.encode())
    return b64encode(nonce + sealed).decode("ascii")


def unseal(key: Secret, box: str, aad: str) -> RawMessage | Problem:
    """The body, or `NO_CIPHERTEXT` or `NOT_AUTHENTIC`."""
    try:
        opened = b64decode(box, validate=True)
    except (BadBase64, ValueError):
        opened = b""
    if key.size_bytes != _KEY_BYTES or len(opened) < _NONCE_BYTES:
        return Problem.NO_CIPHERTEXT
    nonce, sealed = opened[:_NONCE_BYTES], opened[_NONCE_BYTES:]
    try:
        return RawMessage(AESGCM(key.reveal()).decrypt(nonce, sealed, aad.encode()))
    except InvalidTag:
        return Problem.NOT_AUTHENTIC
