"""A DSN of PostgreSQL in its parts, which are what the driver will make of it."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Self
from urllib.parse import SplitResult, parse_qs, unquote, urlencode, urlsplit

from attrs import field, frozen

from snapshot_ingest.settings.hosts import is_loopback

_SCHEMES = ("postgresql", "postgres")
_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d+)?", re.ASCII)
# Where the driver takes a host from that the DSN does not name.
_HOST_VARIABLES = ("PGHOST", "PGSERVICE")


@frozen
class Dsn:
    """Hosts and parameters. It may hold a password, so it shows nothing."""

    parts: SplitResult = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The DSN, or None where the driver could not read it or might read it otherwise.

        The driver's own error would quote a raw password as a port. A second @ it takes for
        part of a host.
        """
        try:
            parts = urlsplit(text)
            lists = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
        except ValueError:
            return None
        if parts.scheme not in _SCHEMES or parts.netloc.count("@") > 1:
            return None
        dsn = cls(parts, {name: values[-1] for name, values in lists.items()})
        return dsn if all(map(_HOST.fullmatch, dsn._host_specs)) else None

    @property
    def is_loopback(self) -> bool:
        """Whether each host is this machine; without any, the driver tries its unix sockets."""
        hosts = [spec.rpartition(":")[0] if _has_port(spec) else spec for spec in self._host_specs]
        if not any(hosts):
            elsewhere = any(map(os.environ.get, _HOST_VARIABLES))
            return not elsewhere and "service" not in self.parameters
        return all(is_loopback(unquote(host)) for host in hosts)

    @property
    def sslmode(self) -> str | None:
        """How it asks for TLS, as it is usually written."""
        mode = self.parameters.get("sslmode")
        return mode and mode.replace("_", "-")

    def text_with(self, parameters: Mapping[str, str]) -> str:
        """The DSN with these parameters in the place of those that it has."""
        query = urlencode({**self.parameters, **parameters})
        return self.parts._replace(query=query).geturl()

    @property
    def _host_specs(self) -> Sequence[str]:
        named = self.parts.netloc.rpartition("@")[2] or self.parameters.get("host", "")
        return named.split(",")


def _has_port(spec: str) -> bool:
    return ":" in spec and not spec.endswith("]")
