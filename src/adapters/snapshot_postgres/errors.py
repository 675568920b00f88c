"""From the driver's errors to the domain's, by one table.

Nothing of a driver's error but its class, its SQLSTATE and a constraint's name goes further:
its text and its DETAIL hold rows. A `Fault` is taken inside the `except` block, and the
domain's error is made from it and raised after that block has ended.
"""

import ssl
from collections.abc import Mapping
from enum import Enum, auto
from typing import TypeVar

import asyncpg
from attrs import frozen

from snapshot_domain.errors import (
    Contended,
    Dependency,
    DependencyError,
    Misconfigured,
    Unavailable,
)

T = TypeVar("T")

DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,  # among them TimeoutError, refused connections and TLS
)
"""Everything that asyncpg raises on its own account."""


OTHER_ISOLATION = "SI004"
"""Our own SQLSTATE: the transaction is not READ COMMITTED."""


class FaultKind(Enum):
    """What is to be done about a fault."""

    UNAVAILABLE = auto()
    """Wait, and try again later."""
    MISCONFIGURED = auto()
    """An operator must act."""
    REPEATABLE = auto()
    """Somebody was in the way: the same transaction may go through at once."""
    REFERENCE_GONE = auto()
    """What a row refers to was deleted between the look and the insert."""
    REFUSED = auto()
    """Some row of it is impossible, now and always."""


_KIND_BY_SQLSTATE = {
    "22": FaultKind.REFUSED,  # data exception
    "23": FaultKind.REFUSED,  # integrity constraint violation
    "23502": FaultKind.MISCONFIGURED,  # a column that we know nothing of became NOT NULL
    "23503": FaultKind.REFERENCE_GONE,
    "26000": FaultKind.MISCONFIGURED,  # a pooler gave the session to somebody else
    "28": FaultKind.MISCONFIGURED,  # user or password
    "3D000": FaultKind.MISCONFIGURED,  # no such database
    "3F000": FaultKind.MISCONFIGURED,  # no such schema
    "40001": FaultKind.REPEATABLE,  # serialization failure
    "40P01": FaultKind.REPEATABLE,  # deadlock
    "42": FaultKind.MISCONFIGURED,  # rights, tables, functions
    "55P03": FaultKind.REPEATABLE,  # a lock was waited for too long
    "SI001": FaultKind.MISCONFIGURED,  # our own: a digest that is not under the kept key
    "SI002": FaultKind.MISCONFIGURED,  # our own: keyed digests whose key is gone
    "SI003": FaultKind.MISCONFIGURED,  # our own: a migration with another database's key
    OTHER_ISOLATION: FaultKind.MISCONFIGURED,
    "SI005": FaultKind.MISCONFIGURED,  # our own: a position of another database
}
"""By SQLSTATE or its class, the longer first. What is not here (08, 25006, 53, 57, 58, XX and
what nobody thought of) is UNAVAILABLE: the message stays on the stream."""

_NEXT_STEP_BY_SQLSTATE = {
    "23502": "give the column that was added to the backend's table a default",
    "26000": "behind a pooler in transaction mode, open the pool with statement_cache_size=0",
    "28": "check the user, the password and pg_hba.conf",
    "3D000": "create the database or correct its name",
    "3F000": "run `snapshot-ingest migrate`",
    "42P05": "behind a pooler in transaction mode, open the pool with statement_cache_size=0",
    "42501": "grant the role its rights, as after each `snapshot-ingest migrate`: deploy/postgres",
    "42": "run `snapshot-ingest migrate`, and check that the backend's tables are there",
    "SI001": 'set digest = "keyed" for every worker: this database has a digest key',
    "SI002": "restore the row of snapshot_ingest.digest_keys: without it no text is known again",
    "SI003": "see that [postgres] and [operator.postgres] name the same database",
    "SI005": "see docs/how-to/listen.md, which says what to do with positions after a restore",
    "client": "check the connection's settings, above all the address and ca_file",
}

_EXPIRED = "the server's certificate has expired"
_OTHER_HOST = "the server's certificate is for another host"
_UNTRUSTED = "the server's certificate is not trusted"
_NO_TLS = "the server speaks no TLS"
_OUR_CERTIFICATE = "the server refuses our certificate"
_FILES = "a file of TLS is none"
_NEXT_STEP_BY_TLS_PROBLEM = {
    _EXPIRED: "renew it at the server, and see both clocks",
    _OTHER_HOST: "see the host in the DSN, and the names in the certificate",
    _UNTRUSTED: "see the configured ca_file, which must hold the CA of the server",
    _NO_TLS: "enable ssl at the server, and see what stands in between",
    _OUR_CERTIFICATE: "see cert_file and key_file, and the server's ssl_ca_file",
    _FILES: "see ca_file, cert_file and key_file, which must be PEM and belong together",
}
# OpenSSL's numbers of what it found wrong with a certificate (X509_V_ERR_…).
_TLS_PROBLEM_BY_VERIFY_CODE = {10: _EXPIRED, 62: _OTHER_HOST, 64: _OTHER_HOST}


@frozen
class Fault:
    """What may be known of a driver's error."""

    kind: FaultKind
    error_class: str
    sqlstate: str = ""
    constraint: str = ""
    tls_problem: str = ""

    def describe(self) -> str:
        """What happened, in words that hold no row."""
        details = [f"SQLSTATE {self.sqlstate}" if self.sqlstate else ""]
        details.append(self.tls_problem)
        details.append(f"constraint {self.constraint}" if self.constraint else "")
        known = ", ".join(detail for detail in details if detail)
        return f"{self.error_class} ({known})" if known else self.error_class

    def as_error(self, dependency: Dependency) -> DependencyError:
        """The domain's error: by kind, `Misconfigured` with what to do."""
        if self.kind is FaultKind.MISCONFIGURED:
            return Misconfigured(
                dependency,
                f"PostgreSQL refuses to work: {self.describe()}",
                next_step=self._next_step(),
            )
        if self.kind is FaultKind.REPEATABLE:
            return Contended(dependency, f"others are in the way: {self.describe()}")
        return Unavailable(dependency, f"PostgreSQL does not do its work: {self.describe()}")

    def _next_step(self) -> str:
        if self.tls_problem:
            return _NEXT_STEP_BY_TLS_PROBLEM[self.tls_problem]
        return _longest_match(_NEXT_STEP_BY_SQLSTATE, self.sqlstate or "client") or ""


def fault_of(error: BaseException) -> Fault:
    """What is to be done about a driver's error."""
    name = type(error).__name__
    tls_problem = _tls_problem_of(error)
    if tls_problem:
        return Fault(FaultKind.MISCONFIGURED, name, tls_problem=tls_problem)
    if isinstance(error, asyncpg.PostgresError):
        sqlstate = str(error.sqlstate or "")
        kind = _longest_match(_KIND_BY_SQLSTATE, sqlstate) or FaultKind.UNAVAILABLE
        if isinstance(error, asyncpg.InvalidCachedStatementError):
            kind = FaultKind.REPEATABLE  # a migration ran; asyncpg prepares it anew
        return Fault(kind, name, sqlstate, str(error.constraint_name or ""))
    if isinstance(error, asyncpg.ClientConfigurationError):
        return Fault(FaultKind.MISCONFIGURED, name)
    return Fault(FaultKind.UNAVAILABLE, name)


def _longest_match(table: Mapping[str, T], sqlstate: str) -> T | None:
    return table.get(sqlstate, table.get(sqlstate[:2]))


def _tls_problem_of(error: BaseException | None) -> str:
    """What is wrong with TLS that an operator must mend; empty if it is something else."""
    if isinstance(error, asyncpg.ConnectionDoesNotExistError):
        # With TLS 1.3 a server says what it thinks of our certificate after the handshake.
        return _tls_problem_of(error.__cause__ or error.__context__)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _TLS_PROBLEM_BY_VERIFY_CODE.get(getattr(error, "verify_code", 0), _UNTRUSTED)
    if isinstance(error, ssl.SSLError):
        if getattr(error, "library", "") in ("PEM", "X509"):
            return _FILES
        return _OUR_CERTIFICATE if "ALERT" in (getattr(error, "reason", "") or "") else ""
    # The driver has no class for it, and its text holds the address alone.
    if type(error) is ConnectionError and "rejected SSL upgrade" in str(error):
        return _NO_TLS
    return ""
