"""Signed tokens (JWT, ES256) as an issuer of identities makes them."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping

from attrs import field, frozen
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_COORDINATE_BYTES = 32


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@frozen
class Issuer:
    """Signs with a key of its own."""

    key: ec.EllipticCurvePrivateKey = field(factory=_new_key, repr=False)

    @property
    def public_pem(self) -> str:
        """What a server checks the signature with."""
        public = self.key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def jwt(self, claims: Mapping[str, object], *, lives_seconds: int = 600) -> str:
        """A token with these claims; one that lives for less than nothing has expired."""
        now = int(time.time())
        times = {"iat": now - 3600, "nbf": now - 3600, "exp": now + lives_seconds}
        signed = f"{_part({'alg': 'ES256', 'typ': 'JWT'})}.{_part({**times, **claims})}"
        signature = self.key.sign(signed.encode(), ec.ECDSA(SHA256()))
        numbers = decode_dss_signature(signature)
        raw = b"".join(number.to_bytes(_COORDINATE_BYTES, "big") for number in numbers)
        return f"{signed}.{_text(raw)}"


def _part(content: Mapping[str, object]) -> str:
    return _text(json.dumps(content).encode())


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
