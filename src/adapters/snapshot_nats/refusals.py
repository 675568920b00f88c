"""Why a connection to a NATS server comes to nothing until an operator acts."""

import ssl
from collections.abc import Mapping
from enum import Enum, auto

from attrs import frozen
from nats import errors

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_nats.identity_files import IdentityFileUnreadable
from snapshot_nats.tls import TlsFilesUnreadable


class Refusal(Enum):
    """Who refuses whom, and why; a word of a closed set, which holds no secret."""

    CREDENTIALS = auto()
    IDENTITY_FILE = auto()
    NO_TLS = auto()
    TLS_FILES = auto()
    CERTIFICATE_UNTRUSTED = auto()
    CERTIFICATE_EXPIRED = auto()
    CERTIFICATE_OF_ANOTHER_HOST = auto()
    OUR_CERTIFICATE = auto()


@frozen
class _Row:
    what: str
    expected: str
    next_step: str


_FAULTS: Mapping[Refusal, _Row] = {
    Refusal.CREDENTIALS: _Row(
        "the NATS server refuses our credentials",
        "a user that it knows",
        "check the user, password, token, nkey, credentials file or client certificate",
    ),
    Refusal.IDENTITY_FILE: _Row(
        "the credentials file or nkey seed file for NATS cannot be read or is none",
        "a NATS user JWT and its nkey seed, or the seed alone",
        "see the configured path and its mode",
    ),
    Refusal.NO_TLS: _Row(
        "the NATS server speaks no TLS",
        "TLS, because a tls:// address, a CA file or a TLS context is configured",
        "enable TLS on the server, or configure nats:// on purpose",
    ),
    Refusal.TLS_FILES: _Row(
        "the CA file, certificate or key for NATS cannot be read or is none",
        "PEM files, and a key that belongs to the certificate and has no passphrase",
        "see the configured paths and their modes",
    ),
    Refusal.CERTIFICATE_UNTRUSTED: _Row(
        "the NATS server's certificate is not trusted",
        "one that the configured CA vouches for",
        "see the configured CA file",
    ),
    Refusal.CERTIFICATE_EXPIRED: _Row(
        "the NATS server's certificate has expired",
        "one that is valid today",
        "renew it at the server, and see both clocks",
    ),
    Refusal.CERTIFICATE_OF_ANOTHER_HOST: _Row(
        "the NATS server's certificate is for another host",
        "one for the host in the configured address",
        "see the configured address, and the names in the certificate",
    ),
    Refusal.OUR_CERTIFICATE: _Row(
        "the NATS server refuses our certificate, or that we have none",
        "a certificate that its CA vouches for",
        "see the configured certificate and key, and the server's CA",
    ),
}

# OpenSSL's numbers of what it found wrong with a certificate (X509_V_ERR_…).
_BY_VERIFY_CODE: Mapping[int, Refusal] = {
    10: Refusal.CERTIFICATE_EXPIRED,
    62: Refusal.CERTIFICATE_OF_ANOTHER_HOST,  # by name
    64: Refusal.CERTIFICATE_OF_ANOTHER_HOST,  # by IP address
}


def refusal_of(error: Exception) -> Refusal | None:
    """What an error of a connection attempt says that does not pass by itself; None if it may."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(getattr(error, "verify_code", 0), Refusal.CERTIFICATE_UNTRUSTED)
    if isinstance(error, ssl.SSLError):
        return Refusal.OUR_CERTIFICATE if "ALERT" in (getattr(error, "reason", "") or "") else None
    if isinstance(error, errors.SecureConnWantedError):
        return Refusal.NO_TLS
    if isinstance(error, IdentityFileUnreadable):
        return Refusal.IDENTITY_FILE
    if isinstance(error, TlsFilesUnreadable):
        return Refusal.TLS_FILES
    if type(error) is errors.Error and "authorization violation" in str(error).lower():
        return Refusal.CREDENTIALS
    return None


def misconfigured(refusal: Refusal) -> Misconfigured:
    """The domain's error for it."""
    row = _FAULTS[refusal]
    return Misconfigured(
        Dependency.SOURCE, row.what, expected=row.expected, next_step=row.next_step
    )
