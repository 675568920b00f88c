"""NATS in operator mode: an operator, its accounts and their users, with JWTs made by hand.

As `nsc` makes them, which is no dependency of ours.
"""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import uuid4

import nkeys
from attrs import field, frozen
from nacl.signing import SigningKey

_HOUR_SECONDS = 3600
_UNLIMITED = -1
_ACCOUNT_LIMITS: Mapping[str, object] = {
    **dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), _UNLIMITED),
    **dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), _UNLIMITED),
    "wildcards": True,
}
_USER_LIMITS: Mapping[str, object] = dict.fromkeys(("subs", "data", "payload"), _UNLIMITED)


@frozen
class Signer:
    """An nkey of an operator, an account or a user."""

    seed: bytes = field(repr=False)

    @classmethod
    def new(cls, prefix: int) -> "Signer":
        """One that nobody else has; `prefix` is nkeys' byte for what it is."""
        return cls(bytes(nkeys.encode_seed(bytes(SigningKey.generate()), prefix)))

    @property
    def public(self) -> str:
        """How others name it."""
        return str(nkeys.from_seed(bytearray(self.seed)).public_key.decode())

    def jwt(self, subject: str, claims: Mapping[str, object], **registered: object) -> str:
        """What it says of the subject, signed."""
        content = {
            "jti": uuid4().hex,
            "iat": int(time.time()) - _HOUR_SECONDS,
            "iss": self.public,
            "sub": subject,
            "name": subject[:8],
            "nats": {**claims, "version": 2},
            **registered,
        }
        signed = f"{_part({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_part(content)}"
        signature = nkeys.from_seed(bytearray(self.seed)).sign(signed.encode())
        return f"{signed}.{_text(signature)}"


def _new_operator() -> Signer:
    return Signer.new(nkeys.PREFIX_BYTE_OPERATOR)


def _new_account() -> Signer:
    return Signer.new(nkeys.PREFIX_BYTE_ACCOUNT)


@frozen
class User:
    """A user's nkey, and what its account says of it."""

    key: Signer
    jwt: str = field(repr=False)

    @property
    def credentials(self) -> str:
        """What `nsc generate creds` would write."""
        return (
            f"-----BEGIN NATS USER JWT-----\n{self.jwt}\n------END NATS USER JWT------\n\n"
            "************************* IMPORTANT *************************\n"
            f"-----BEGIN USER NKEY SEED-----\n{self.key.seed.decode()}\n"
            "------END USER NKEY SEED------\n"
        )

    def write(self, folder: Path) -> Path:
        """The credentials in a file of that folder."""
        file = folder / "user.creds"
        file.write_text(self.credentials)
        return file


@frozen
class Account:
    """Whoever holds its key may make users of it."""

    key: Signer = field(factory=_new_account)

    def new_user(self, *, lives_seconds: float = _HOUR_SECONDS, key: Signer | None = None) -> User:
        """One with a key of its own unless told; who lives for less than nothing has expired."""
        key = key or Signer.new(nkeys.PREFIX_BYTE_USER)
        claims = {"pub": {}, "sub": {}, **_USER_LIMITS, "type": "user"}
        return User(key, self.key.jwt(key.public, claims, exp=int(time.time() + lives_seconds)))


@frozen
class Operator:
    """The operator of a server that knows an account for its own affairs, and one for ours."""

    key: Signer = field(factory=_new_operator)
    system: Account = field(factory=Account)
    account: Account = field(factory=Account)

    def server_config(self, revoked: Iterable[User] = ()) -> str:
        """The server's configuration; what was said of the revoked users until now is void."""
        revocations = {user.key.public: int(time.time()) for user in revoked}
        accounts = {
            self.system.key.public: self._account_jwt(self.system, has_jetstream=False),
            self.account.key.public: self._account_jwt(self.account, revocations=revocations),
        }
        preloaded = "\n".join(f"  {public}: {jwt}" for public, jwt in accounts.items())
        operator_jwt = self.key.jwt(self.key.public, {"type": "operator"})
        return (
            f"operator: {operator_jwt}\nsystem_account: {self.system.key.public}\n"
            f"resolver: MEMORY\nresolver_preload: {{\n{preloaded}\n}}"
        )

    def _account_jwt(
        self,
        account: Account,
        *,
        has_jetstream: bool = True,
        revocations: Mapping[str, int] | None = None,
    ) -> str:
        without = {} if has_jetstream else dict.fromkeys(("mem_storage", "disk_storage"), 0)
        claims = {
            "limits": {**_ACCOUNT_LIMITS, **without},
            "revocations": revocations or {},
            "default_permissions": {"pub": {}, "sub": {}},
            "type": "account",
        }
        return self.key.jwt(account.key.public, claims)


def _part(content: Mapping[str, object]) -> str:
    return _text(json.dumps(content).encode())


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
