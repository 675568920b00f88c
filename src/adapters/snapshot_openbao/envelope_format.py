"""The text form of an enveloped configuration: `si1e:<data key id>:<base64 of nonce and body>`.

Pure: AES-256-GCM in the process. The associated data binds format, tenant, device, digest and
data key, so that a row that was moved to another of these does not open.
"""

import secrets
from base64 import b64decode, b64encode
from binascii import Error as BadBase64

from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from snapshot_domain.model import Ciphertext, DataKeyId, TenantId, WrappedKey
from snapshot_domain.secret import Secret
from snapshot_openbao.errors import Problem

PREFIX = "si1e:"

_LABEL = b"si1k|"
_KEY_BYTES = 32
_NONCE_BYTES = 12


@frozen
class DataKey:
    """A tenant's data key, as it is, and wrapped."""

    wrapped: WrappedKey
    secret: Secret = field(repr=False)


def new_secret() -> Secret:
    """A fresh random key."""
    return Secret(secrets.token_bytes(_KEY_BYTES))


def labelled(secret: Secret, tenant_id: TenantId, key_id: DataKeyId) -> Secret:
    """The key as it is wrapped: Transit must not take it for a configuration, nor one for it."""
    return Secret(_label(tenant_id, key_id) + secret.reveal())


def unlabelled(unwrapped: Secret, wrapped: WrappedKey) -> Secret | Problem:
    """The key that was wrapped, or `NOT_AUTHENTIC` if that was something else."""
    label, content = _label(wrapped.tenant_id, wrapped.key_id), unwrapped.reveal()
    if not content.startswith(label) or len(content) != len(label) + _KEY_BYTES:
        return Problem.NOT_AUTHENTIC
    return Secret(content[len(label) :])


def is_labelled(plaintext: Secret) -> bool:
    """Whether this is a data key, where a configuration was expected."""
    return plaintext.reveal().startswith(_LABEL)


class Sealer:
    """A data key made ready, so that what is done once a key is not done once a body."""

    def __init__(self, key: DataKey) -> None:
        self._wrapped = key.wrapped
        self._prefix = f"{PREFIX}{key.wrapped.key_id}:"
        self._aesgcm = AESGCM(key.secret.reveal())

    def seal(self, body: Secret, bound_to: str) -> Ciphertext:
        """The body under the key; `bound_to` names tenant, device and digest."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        aad = _aad(bound_to, self._wrapped.key_id)
        box = b64encode(nonce + self._aesgcm.encrypt(nonce, body.reveal(), aad)).decode("ascii")
        return Ciphertext(self._prefix + box, self._wrapped)


def unseal(secret: Secret, ciphertext: Ciphertext, bound_to: str) -> Secret | Problem:
    """The body, or `NO_CIPHERTEXT` or `NOT_AUTHENTIC`."""
    key_id = ciphertext.data_key_id
    if key_id is None or secret.size_bytes != _KEY_BYTES:
        return Problem.NO_CIPHERTEXT
    try:
        opened = b64decode(ciphertext.text.removeprefix(f"{PREFIX}{key_id}:"), validate=True)
    except (BadBase64, ValueError):
        return Problem.NO_CIPHERTEXT
    nonce, sealed = opened[:_NONCE_BYTES], opened[_NONCE_BYTES:]
    if len(nonce) < _NONCE_BYTES:
        return Problem.NO_CIPHERTEXT
    try:
        return Secret(AESGCM(secret.reveal()).decrypt(nonce, sealed, _aad(bound_to, key_id)))
    except InvalidTag:
        return Problem.NOT_AUTHENTIC


def _label(tenant_id: TenantId, key_id: DataKeyId) -> bytes:
    return _LABEL + f"{tenant_id}|{key_id}|".encode("ascii")


def _aad(bound_to: str, key_id: DataKeyId) -> bytes:
    return f"{PREFIX.removesuffix(':')}|{bound_to}|{key_id}".encode("ascii")
