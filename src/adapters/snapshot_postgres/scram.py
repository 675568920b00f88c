"""A password's SCRAM-SHA-256 verifier (RFC 5802, RFC 7677), as PostgreSQL stores it.

Made here, so that the password itself is in no statement that the server could log.
"""

import hashlib
import hmac
import secrets
from base64 import b64encode

from snapshot_domain.errors import Dependency, Misconfigured

_ITERATIONS = 4096
_SALT_BYTES = 16


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """The verifier, with a salt of its own unless one is given.

    Raises `Misconfigured` for an empty password and for one with anything but printable ASCII,
    which clients may prepare differently (SASLprep).
    """
    if not password or not password.isascii() or not password.isprintable():
        raise Misconfigured(
            Dependency.REPOSITORY,
            "the role's password cannot be used",
            expected="printable ASCII characters, at least one",
        )
    salt = salt if salt is not None else secrets.token_bytes(_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    parts = [b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}"
