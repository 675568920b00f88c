"""The ways to get a token of OpenBao."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, Protocol, TypeAlias, final

from attrs import field, frozen

from snapshot_openbao.client import HttpClient
from snapshot_openbao.errors import Problem
from snapshot_openbao.grants import Grant, grant_of, remaining
from snapshot_openbao.paths import checked_mount
from snapshot_openbao.wrapping import unwrapped

KUBERNETES_JWT_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""Where Kubernetes puts the token of a pod's service account, and keeps it fresh."""


@final
class SecretText:
    """A token or secret id, given as text. Nothing prints, copies out or pickles it."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def read(self) -> str | Problem:
        """The text."""
        return self.__text

    def __repr__(self) -> str:
        return "<SecretText, sealed>"

    def __getstate__(self) -> NoReturn:
        raise TypeError("a SecretText is sealed and cannot be pickled")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__getstate__()


@frozen
class SecretFile:
    """A token, secret id or JWT in a file, read anew for each login, so that it can be replaced."""

    path: Path

    def read(self) -> str | Problem:
        """The file's text without white space around it, or why there is none."""
        try:
            text = self.path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            text = ""
        return text or Problem.CREDENTIAL_UNREADABLE


Credential: TypeAlias = SecretText | SecretFile


class WrappedSecretId:
    """A secret id that OpenBao wrapped: `wrapping` is the token that unwraps it, once.

    What it held stays in memory, and the token's file may go. Another token in it is a new
    delivery, and unwrapped in its turn.
    """

    __slots__ = ("__secret_id", "__spent", "__wrapping")

    def __init__(self, wrapping: Credential) -> None:
        self.__wrapping = wrapping
        self.__spent = ""
        self.__secret_id: str | None = None

    def obtain(self, http: HttpClient, *, timeout_seconds: float) -> str | Problem:
        """The secret id, or why there is none. Called by one thread at a time."""
        token = self.__wrapping.read()
        if self.__secret_id is not None and token in (self.__spent, Problem.CREDENTIAL_UNREADABLE):
            return self.__secret_id
        if isinstance(token, Problem):
            return token
        secret_id = unwrapped(http, token, timeout_seconds=timeout_seconds)
        if isinstance(secret_id, str):
            self.__spent, self.__secret_id = token, secret_id
        return secret_id

    def __repr__(self) -> str:
        return "<WrappedSecretId, sealed>"

    def __getstate__(self) -> NoReturn:
        raise TypeError("a WrappedSecretId is sealed and cannot be pickled")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__getstate__()


class Login(Protocol):
    """A way to get a token. Called in a thread, one call at a time."""

    @property
    def makes_tokens(self) -> bool:
        """Whether each login makes a token of its own, which is ours to revoke."""
        ...

    def log_in(self, http: HttpClient, *, timeout_seconds: float) -> Grant | Problem:
        """A token with its lease, or why there is none."""
        ...


@frozen
class TokenLogin:
    """Uses a token that somebody else made and revokes; while it can be renewed, it is."""

    token: Credential

    @property
    def makes_tokens(self) -> bool:
        """No: the token is not ours."""
        return False

    def log_in(self, http: HttpClient, *, timeout_seconds: float) -> Grant | Problem:
        """The token as it is now, with what is left of its lease."""
        token = self.token.read()
        if isinstance(token, Problem):
            return token
        if not _fits_header(token):
            return Problem.CREDENTIAL_UNREADABLE
        return remaining(http, token, timeout_seconds=timeout_seconds)


@frozen
class AppRoleLogin:
    """Logs in with a role id and a secret id. Raises `Misconfigured` if the mount is no name."""

    role_id: str = field(repr=False)
    secret_id: Credential
    mount: str = field(default="approle", converter=checked_mount)

    @property
    def makes_tokens(self) -> bool:
        """Yes."""
        return True

    def log_in(self, http: HttpClient, *, timeout_seconds: float) -> Grant | Problem:
        """A new token of the role."""
        secret_id = self.secret_id.read()
        if isinstance(secret_id, Problem):
            return secret_id
        proof = {"role_id": self.role_id, "secret_id": secret_id}
        return _log_in(http, self.mount, proof, timeout_seconds)


@frozen
class WrappedAppRoleLogin:
    """The same with a secret id that is delivered wrapped."""

    role_id: str = field(repr=False)
    secret_id: WrappedSecretId
    mount: str = field(default="approle", converter=checked_mount)

    @property
    def makes_tokens(self) -> bool:
        """Yes."""
        return True

    def log_in(self, http: HttpClient, *, timeout_seconds: float) -> Grant | Problem:
        """A new token of the role."""
        secret_id = self.secret_id.obtain(http, timeout_seconds=timeout_seconds)
        if isinstance(secret_id, Problem):
            return secret_id
        login = AppRoleLogin(self.role_id, SecretText(secret_id), self.mount)
        return login.log_in(http, timeout_seconds=timeout_seconds)


@frozen
class JwtLogin:
    """Logs in with a signed token (JWT), at OpenBao's method `jwt` or, by its mount, `kubernetes`.

    Both take the same request. The file is read anew for each login, since whoever issues such
    tokens replaces them within hours. Raises `Misconfigured` if the mount is no name.
    """

    role: str
    jwt: Credential
    mount: str = field(default="jwt", converter=checked_mount)

    @property
    def makes_tokens(self) -> bool:
        """Yes."""
        return True

    def log_in(self, http: HttpClient, *, timeout_seconds: float) -> Grant | Problem:
        """A new token of the role."""
        jwt = self.jwt.read()
        if isinstance(jwt, Problem):
            return jwt
        return _log_in(http, self.mount, {"role": self.role, "jwt": jwt}, timeout_seconds)


def _log_in(
    http: HttpClient, mount: str, proof: Mapping[str, str], timeout_seconds: float
) -> Grant | Problem:
    reply = http.post(
        f"auth/{mount}/login", json.dumps(proof).encode(), token="", timeout_seconds=timeout_seconds
    )
    return reply if isinstance(reply, Problem) else grant_of(reply)


def _fits_header(token: str) -> bool:
    """Anything else fails where the header is made, with an error that holds the token."""
    return token.isascii() and token.isprintable()
