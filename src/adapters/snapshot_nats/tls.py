"""The files of a TLS connection to NATS."""

import ssl
from pathlib import Path
from typing import Self

from attrs import frozen
from nats import errors


class TlsFilesUnreadable(errors.Error):
    """One of the files is missing, or not what it should be."""


@frozen
class TlsFiles:
    """PEM files, read anew for each connection, so that they can be replaced.

    Without `ca_file` the authorities of the system are trusted. `cert_file` and `key_file` are
    our own certificate, for a server that asks for one.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @classmethod
    def of(cls, ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> Self | None:
        """The files, or None if there are none."""
        files = (ca_file, cert_file, key_file)
        return None if files == (None, None, None) else cls(*files)

    def context(self) -> ssl.SSLContext:
        """What to connect with; it checks the server's name. Raises `TlsFilesUnreadable`."""
        context: ssl.SSLContext | None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                # A key with a passphrase would be asked for at the terminal, for ever.
                context.load_cert_chain(self.cert_file, self.key_file, password="")
        except OSError:  # an SSLError is one too
            context = None
        if context is None:
            raise TlsFilesUnreadable
        return context
