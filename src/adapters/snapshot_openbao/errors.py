"""The one table from what OpenBao answers to the domain's kinds of fault.

In between stands a `Problem`: a word of a closed set, which can hold no content, no token and
no address, so it may cross threads and be kept.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import Enum, auto
from typing import TypeAlias

from attrs import frozen

from snapshot_domain.errors import (
    Dependency,
    KeyMissing,
    Misconfigured,
    RateLimited,
    Refused,
    Unavailable,
)

Fault: TypeAlias = Unavailable | Misconfigured | KeyMissing | Refused


class Problem(Enum):
    """Why a request, or one item of it, has no result."""

    CLOSED = auto()
    NO_ANSWER = auto()
    NO_TIME_LEFT = auto()
    SEALED = auto()
    RATE_LIMITED = auto()
    SERVER_FAILED = auto()

    FORBIDDEN = auto()
    LOGIN_REFUSED = auto()
    CREDENTIAL_UNREADABLE = auto()
    WRAPPING_SPENT = auto()
    NOT_WRAPPED_SECRET_ID = auto()
    NO_MOUNT = auto()
    NOT_OPENBAO = auto()
    REDIRECTED = auto()
    BAD_ADDRESS = auto()
    UNTRUSTED_CERTIFICATE = auto()
    EXPIRED_CERTIFICATE = auto()
    CERTIFICATE_OF_ANOTHER_HOST = auto()
    CA_UNREADABLE = auto()
    OWN_KEY_MISSING = auto()
    OTHER_KEY_TYPE = auto()

    KEY_MISSING = auto()
    KEY_UNUSABLE = auto()

    TOO_LARGE = auto()
    INPUT_REFUSED = auto()
    NO_CIPHERTEXT = auto()
    NOT_AUTHENTIC = auto()
    NOT_COMPRESSED = auto()
    DATA_KEY_UNKNOWN = auto()


@frozen
class _Row:
    kind: type[Fault]
    what: str
    expected: str = ""
    next_step: str = ""


_FAULTS: Mapping[Problem, _Row] = {
    Problem.CLOSED: _Row(Unavailable, "the connection to OpenBao was closed"),
    Problem.NO_ANSWER: _Row(
        Unavailable, "OpenBao does not answer", next_step="see that it runs and can be reached"
    ),
    Problem.NO_TIME_LEFT: _Row(
        Unavailable, "OpenBao did not answer in time", next_step="see how busy it is"
    ),
    Problem.SEALED: _Row(Unavailable, "OpenBao is sealed", next_step="unseal it"),
    Problem.RATE_LIMITED: _Row(
        RateLimited, "OpenBao limits the rate of requests", next_step="raise its rate limit quota"
    ),
    Problem.SERVER_FAILED: _Row(
        Unavailable, "OpenBao failed to answer", next_step="see its log and its audit devices"
    ),
    Problem.FORBIDDEN: _Row(
        Misconfigured,
        "OpenBao denies permission, also after a new login",
        expected="a role that may update this path, and an existing key",
        next_step="see the role's policy, and run `snapshot-ingest provision`",
    ),
    Problem.LOGIN_REFUSED: _Row(
        Misconfigured,
        "OpenBao refuses the login",
        expected="a role that exists, and a secret id or JWT that it accepts",
        next_step="see the role and the login's mount, or issue a new secret id or JWT",
    ),
    Problem.CREDENTIAL_UNREADABLE: _Row(
        Misconfigured,
        "the file with the token, secret id or JWT for OpenBao cannot be read",
        expected="a readable file that is not empty",
        next_step="see the configured path and its mode",
    ),
    Problem.WRAPPING_SPENT: _Row(
        Misconfigured,
        "the wrapping token of the secret id was spent before, or has expired",
        expected="one that nobody has unwrapped",
        next_step="find out who spent it if we did not, and issue a new wrapped secret id",
    ),
    Problem.NOT_WRAPPED_SECRET_ID: _Row(
        Misconfigured,
        "what the wrapping token held is no secret id",
        expected="the wrapped answer of auth/<mount>/role/<role>/secret-id",
        next_step="see who delivers it",
    ),
    Problem.NO_MOUNT: _Row(
        Misconfigured,
        "OpenBao has nothing at this path",
        expected="a Transit secrets engine",
        next_step="see the configured mount",
    ),
    Problem.NOT_OPENBAO: _Row(
        Misconfigured,
        "what answered does not speak like OpenBao",
        expected="its HTTP API",
        next_step="see the configured address, http or https, and what stands in between",
    ),
    Problem.REDIRECTED: _Row(
        Misconfigured,
        "OpenBao answers with a redirect, which is not followed with a secret in hand",
        expected="the address of a node that serves requests",
        next_step="see the configured address",
    ),
    Problem.BAD_ADDRESS: _Row(
        Misconfigured,
        "the configured address of OpenBao is no address",
        expected="http:// or https://, a host and a port",
        next_step="see the configured address",
    ),
    Problem.UNTRUSTED_CERTIFICATE: _Row(
        Misconfigured,
        "OpenBao's certificate is not trusted",
        expected="one that the configured CA vouches for, for this host",
        next_step="see the configured CA file",
    ),
    Problem.EXPIRED_CERTIFICATE: _Row(
        Misconfigured,
        "OpenBao's certificate has expired",
        expected="one that is valid today",
        next_step="renew it at the server, and see both clocks",
    ),
    Problem.CERTIFICATE_OF_ANOTHER_HOST: _Row(
        Misconfigured,
        "OpenBao's certificate is for another host",
        expected="one for the host in the configured address",
        next_step="see the configured address, and the names in the certificate",
    ),
    Problem.CA_UNREADABLE: _Row(
        Misconfigured,
        "the configured CA file for OpenBao cannot be read",
        expected="a PEM file",
        next_step="see the configured path and its mode",
    ),
    Problem.OWN_KEY_MISSING: _Row(
        Misconfigured,
        "a key of our own is missing or unusable",
        expected="what `snapshot-ingest provision` makes",
        next_step="run `snapshot-ingest provision`",
    ),
    Problem.OTHER_KEY_TYPE: _Row(
        Misconfigured,
        "the key exists but is of another make",
        expected="aes256-gcm96, not derived, not exportable",
        next_step="find out who made it",
    ),
    Problem.KEY_MISSING: _Row(
        KeyMissing, "the key does not exist", next_step="make it, or restore it if it was deleted"
    ),
    Problem.KEY_UNUSABLE: _Row(
        KeyMissing,
        "the key does not do this",
        expected="aes256-gcm96, not derived, with the version at hand allowed",
        next_step="see the key's configuration",
    ),
    Problem.TOO_LARGE: _Row(Refused, "the item is too large for one request to OpenBao"),
    Problem.INPUT_REFUSED: _Row(Refused, "OpenBao refuses the item"),
    Problem.NO_CIPHERTEXT: _Row(Refused, "the text is no ciphertext that can be opened here"),
    Problem.NOT_AUTHENTIC: _Row(
        Refused,
        "the ciphertext does not belong to this key and associated data, or was changed",
    ),
    Problem.NOT_COMPRESSED: _Row(
        Refused,
        "what was opened is not compressed as its format says, or is too large",
        expected="one zstd frame of at most 64 MiB",
    ),
    Problem.DATA_KEY_UNKNOWN: _Row(
        Refused,
        "the data key that the text names is not stored beside it",
        expected="its row in snapshot_ingest.data_keys",
        next_step="restore that table from the same backup as the snapshots",
    ),
}


def fault_of(problem: Problem, about: str = "", *, retry_after: timedelta | None = None) -> Fault:
    """The domain's error for a problem; `about` is the key's name or another public word.

    `retry_after` counts where the problem is a rate limit.
    """
    fault = _FAULTS[problem]
    what = f"{about}: {fault.what}" if about else fault.what
    if problem is Problem.RATE_LIMITED:
        return RateLimited(
            Dependency.CIPHER, what, retry_after=retry_after, next_step=fault.next_step
        )
    return fault.kind(Dependency.CIPHER, what, expected=fault.expected, next_step=fault.next_step)


# OpenBao has no codes, only texts; each of these was seen from 2.7. Order matters: the first
# that is contained in the answer counts.
_BY_TEXT: Sequence[tuple[str, Problem]] = (
    ("encryption key not found", Problem.KEY_MISSING),
    ("no existing key named", Problem.KEY_MISSING),
    ("could not delete key; not found", Problem.KEY_MISSING),
    ("soft-deleted key", Problem.KEY_MISSING),
    ("no such key version", Problem.KEY_UNUSABLE),
    ("minimum encryption key version", Problem.KEY_UNUSABLE),
    ("missing 'context' for key derivation", Problem.KEY_UNUSABLE),
    ("not supported for key type", Problem.KEY_UNUSABLE),
    ("disallowed by policy", Problem.KEY_UNUSABLE),
    ("message authentication failed", Problem.NOT_AUTHENTIC),
    ("invalid ciphertext", Problem.NO_CIPHERTEXT),
    ("missing ciphertext", Problem.NO_CIPHERTEXT),
    ("illegal base64", Problem.INPUT_REFUSED),
    ("failed to parse batch input", Problem.INPUT_REFUSED),
    ("is sealed", Problem.SEALED),
    ("internal error", Problem.SERVER_FAILED),
)

_BY_STATUS: Mapping[int, Problem] = {
    403: Problem.FORBIDDEN,
    404: Problem.NO_MOUNT,
    413: Problem.TOO_LARGE,
    429: Problem.RATE_LIMITED,
}


def problem_of_text(text: str, otherwise: Problem) -> Problem:
    """What an error text of OpenBao means, or `otherwise` if it is none of the known ones."""
    for part, problem in _BY_TEXT:
        if part in text:
            return problem
    return otherwise


def problem_of_status(status: int, texts: Sequence[str] | None) -> Problem:
    """What a refused request means; `texts` is None where the answer is not of OpenBao's form.

    An unknown 5xx is taken as passing, since a wrong *refused* would give a message up for good.
    """
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:
        return Problem.REDIRECTED
    if status >= 500:
        return problem_of_text(" ".join(texts or ()), Problem.SERVER_FAILED)
    if status == 400 and texts:
        return problem_of_text(" ".join(texts), Problem.INPUT_REFUSED)
    if status in (408, 412, 473):
        return Problem.SERVER_FAILED
    return Problem.NOT_OPENBAO
