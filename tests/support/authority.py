"""A private CA, and certificates of it in files, good and bad ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from attrs import frozen


@frozen
class KeyPair:
    """A certificate and its key, as PEM files."""

    cert_file: Path
    key_file: Path


class Authority:
    """A CA whose certificate is in `ca_file`; what it issues lies beside that."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self._issued = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    @property
    def pem(self) -> str:
        """The CA's certificate."""
        return self._ca.cert_pem.bytes().decode()

    def issue(self, *names: str, common_name: str | None = None, expired: bool = False) -> KeyPair:
        """A certificate for hosts or a person; an expired one ended yesterday."""
        ended = datetime.now(UTC) - timedelta(days=1) if expired else None
        leaf = self._ca.issue_cert(*names, common_name=common_name, not_after=ended)
        self._issued += 1
        pair = KeyPair(
            self._folder / f"{self._issued}.cert.pem", self._folder / f"{self._issued}.key.pem"
        )
        leaf.cert_chain_pems[0].write_to_path(pair.cert_file)
        leaf.private_key_pem.write_to_path(pair.key_file)
        pair.key_file.chmod(0o600)
        return pair
