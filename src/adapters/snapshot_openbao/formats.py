"""Every format that is ever stored: what Transit must open of it, and what is left to do then."""

from typing import Protocol, TypeAlias

from attrs import field, frozen

from snapshot_domain.model import Ciphertext, WrappedKey
from snapshot_domain.secret import Configuration, RawMessage, Secret
from snapshot_openbao import compressed, envelope_format, sealed_body_format
from snapshot_openbao.ciphertext_text import is_of_transit
from snapshot_openbao.compression import decompress
from snapshot_openbao.errors import Problem
from snapshot_openbao.sealed_body_format import SealedBody

Plaintext: TypeAlias = Configuration | RawMessage


class Opening(Protocol):
    """One ciphertext on its way to its plaintext."""

    @property
    def for_transit(self) -> Ciphertext:
        """What Transit must decrypt first."""
        ...

    def finish(self, by_transit: Secret, aad: str) -> Plaintext | Problem:
        """The plaintext, from what Transit decrypted. Takes processor time: call it in a thread."""
        ...


@frozen
class _Transit:
    for_transit: Ciphertext

    def finish(self, by_transit: Secret, aad: str) -> Plaintext | Problem:  # noqa: ARG002 - this format binds nothing
        return _configuration(by_transit)


@frozen
class _Compressed:
    for_transit: Ciphertext

    def finish(self, by_transit: Secret, aad: str) -> Plaintext | Problem:  # noqa: ARG002 - this format binds nothing
        return _decompressed(by_transit)


@frozen
class _Enveloped:
    for_transit: Ciphertext
    ciphertext: Ciphertext
    wrapped_key: WrappedKey

    def finish(self, by_transit: Secret, aad: str) -> Plaintext | Problem:
        secret = envelope_format.unlabelled(by_transit, self.wrapped_key)
        if isinstance(secret, Problem):
            return secret
        body = envelope_format.unseal(secret, self.ciphertext, aad)
        return body if isinstance(body, Problem) else _decompressed(body)


@frozen
class _Body:
    for_transit: Ciphertext
    box: str = field(repr=False)

    def finish(self, by_transit: Secret, aad: str) -> Plaintext | Problem:
        return sealed_body_format.unseal(by_transit, self.box, aad)


def opening_of(ciphertext: Ciphertext) -> Opening | Problem:
    """How to open it, or why it cannot be: nothing goes to Transit that is none of its own."""
    text = ciphertext.text
    if text.startswith(sealed_body_format.PREFIX):
        sealed = SealedBody.parse(ciphertext)
        return sealed if isinstance(sealed, Problem) else _Body(sealed.wrapped_key, sealed.box)
    if text.startswith(envelope_format.PREFIX):
        return _enveloped(ciphertext)
    if text.startswith(compressed.PREFIX):
        for_transit = text.removeprefix(compressed.PREFIX)
        is_sound = is_of_transit(for_transit)
        return _Compressed(Ciphertext(for_transit)) if is_sound else Problem.NO_CIPHERTEXT
    return _Transit(ciphertext) if is_of_transit(text) else Problem.NO_CIPHERTEXT


def _enveloped(ciphertext: Ciphertext) -> Opening | Problem:
    key = ciphertext.wrapped_key
    if ciphertext.data_key_id is None:
        return Problem.NO_CIPHERTEXT
    if key is None or key.key_id != ciphertext.data_key_id:
        return Problem.DATA_KEY_UNKNOWN
    is_sound = is_of_transit(key.text)
    return _Enveloped(Ciphertext(key.text), ciphertext, key) if is_sound else Problem.NO_CIPHERTEXT


def _decompressed(secret: Secret) -> Plaintext | Problem:
    plaintext = decompress(secret)
    return plaintext if isinstance(plaintext, Problem) else _configuration(Secret(plaintext))


def _configuration(secret: Secret) -> Plaintext | Problem:
    """A wrapped data key in a text's place would otherwise be shown as a configuration."""
    is_key = envelope_format.is_labelled(secret)
    return Problem.NOT_AUTHENTIC if is_key else Configuration(secret.reveal())
