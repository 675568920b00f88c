"""The files that say who we are to NATS, looked at before nats-py reads them.

nats-py reads a credentials file without a JWT for ever, holding up the whole process, and its
error for a bad seed has that seed at hand and ends a reconnection for good.
"""

from pathlib import Path

import nkeys
from attrs import frozen
from nats import errors

from snapshot_domain.errors import Dependency, Misconfigured

_JWT_FOLLOWS = b"BEGIN NATS USER JWT"
_SEED_FOLLOWS = b"BEGIN USER NKEY SEED"
_PARTS_OF_JWT = 3


class IdentityFileUnreadable(errors.Error):
    """One of the files is missing, or not what it should be."""


@frozen
class IdentityFiles:
    """Read anew for each connection, so that they can be replaced."""

    credentials_file: Path | None = None
    nkey_seed_file: Path | None = None

    def require(self) -> None:
        """Raises `Misconfigured`, which names the file that cannot be used."""
        if not self._has_credentials():
            raise Misconfigured(
                Dependency.SOURCE,
                f"the credentials file {self.credentials_file} cannot be read or is none",
                expected="a NATS user JWT and its nkey seed",
                next_step="make it with `nsc generate creds`, readable for this process",
            )
        if not self._has_seed():
            raise Misconfigured(
                Dependency.SOURCE,
                f"the nkey seed file {self.nkey_seed_file} cannot be read or is none",
                expected="the seed of a user's nkey, which begins with SU",
                next_step="make it with `nk -gen user`, readable for this process",
            )

    def require_again(self) -> None:
        """Raises `IdentityFileUnreadable`, after which nats-py tries again later."""
        if not (self._has_credentials() and self._has_seed()):
            raise IdentityFileUnreadable

    def _has_credentials(self) -> bool:
        return self.credentials_file is None or _holds_credentials(self.credentials_file)

    def _has_seed(self) -> bool:
        return self.nkey_seed_file is None or _holds_seed(self.nkey_seed_file)


def _holds_credentials(file: Path) -> bool:
    """Looked at apart, so that no frame of an error has its content at hand."""
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError:
        return False
    jwt, seed = _after(lines, _JWT_FOLLOWS), _after(lines, _SEED_FOLLOWS)
    return len(jwt.split(b".")) == _PARTS_OF_JWT and jwt.isascii() and _is_seed(seed)


def _after(lines: list[bytes], marker: bytes) -> bytes:
    """The line after the first one with the marker, which is where nats-py looks."""
    places = [place for place, line in enumerate(lines[:-1]) if marker in line]
    return lines[places[0] + 1] if places else b""


def _holds_seed(file: Path) -> bool:
    """Looked at apart, as the credentials are."""
    try:
        return _is_seed(file.read_bytes().strip())
    except OSError:
        return False


def _is_seed(text: bytes) -> bool:
    try:
        nkeys.from_seed(bytearray(text)).wipe()
    except (ValueError, nkeys.NkeysError):
        return False
    return True
