"""The ways to get a token of OpenBao."""

import json
from pathlib import Path
from typing import NoReturn, Protocol, TypeAlias, final

from attrs import field, frozen

from snapshot_openbao.client import HttpClient, Reply
from snapshot_openbao.errors import Problem, problem_of_status
from snapshot_openbao.paths import checked_mount
from snapshot_openbao.replies import error_texts, json_object


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
    """A token or secret id in a file, read anew for each login, so that it can be replaced."""

    path: Path

    def read(self) -> str | Problem:
        """The file's text without white space around it, or why there is none."""
        try:
            text = self.path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            text = ""
        return text or Problem.CREDENTIAL_UNREADABLE


Credential: TypeAlias = SecretText | SecretFile


class Login(Protocol):
    """A way to get a token. Called in a thread."""

    @property
    def makes_tokens(self) -> bool:
        """Whether each login makes a token of its own, which is ours to revoke."""
        ...

    def log_in(self, http: HttpClient, *, timeout_seconds: float) -> str | Problem:
        """A token, or why there is none."""
        ...


@frozen
class TokenLogin:
    """Uses a token that somebody else made and revokes."""

    token: Credential

    @property
    def makes_tokens(self) -> bool:
        """No: the token is not ours."""
        return False

    def log_in(self, http: HttpClient, *, timeout_seconds: float) -> str | Problem:  # noqa: ARG002 - the protocol's parameters
        """The token as it is now."""
        token = self.token.read()
        if isinstance(token, Problem):
            return token
        # Anything else fails where the header is made, with an error that holds the token.
        return token if token.isascii() and token.isprintable() else Problem.CREDENTIAL_UNREADABLE


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

    def log_in(self, http: HttpClient, *, timeout_seconds: float) -> str | Problem:
        """A new token of the role."""
        secret_id = self.secret_id.read()
        if isinstance(secret_id, Problem):
            return secret_id
        reply = http.post(
            f"auth/{self.mount}/login",
            json.dumps({"role_id": self.role_id, "secret_id": secret_id}).encode(),
            token="",
            timeout_seconds=timeout_seconds,
        )
        return reply if isinstance(reply, Problem) else _token_of(reply)


def _token_of(reply: Reply) -> str | Problem:
    if reply.status != 200:
        problem = problem_of_status(reply.status, error_texts(reply.body))
        refused = problem in (Problem.INPUT_REFUSED, Problem.FORBIDDEN, Problem.NO_MOUNT)
        return Problem.LOGIN_REFUSED if refused else problem
    answer = json_object(reply.body) or {}
    auth = answer.get("auth")
    token = auth.get("client_token") if isinstance(auth, dict) else None
    return token if isinstance(token, str) and token else Problem.NOT_OPENBAO
