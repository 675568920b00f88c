"""Refusing to speak in clear to anything but this machine, unless `insecure = true` says so."""

import re
from collections.abc import Mapping

from snapshot_ingest.settings.dsn import Dsn
from snapshot_ingest.settings.errors import SettingsError
from snapshot_ingest.settings.hosts import is_loopback
from snapshot_ingest.settings.model import NatsSettings, PostgresSettings, Settings

# Stricter than any client's own reading, so that none can take another host out of it than we do.
_HOST = r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?"
_NATS_ADDRESS = re.compile(rf"((?P<scheme>nats|tls)://)?{_HOST}/?", re.ASCII)
_OPENBAO_ADDRESS = re.compile(rf"(?P<scheme>https?)://{_HOST}(/[A-Za-z0-9._~/-]*)?", re.ASCII)

_VERIFIED = "verify-full"


def nats_servers(settings: NatsSettings) -> tuple[str, ...]:
    """The addresses of NATS. Raises `SettingsError` for what is none, or may not be in clear."""
    servers = tuple(server.strip() for server in settings.url.split(","))
    for server in servers:
        address = _NATS_ADDRESS.fullmatch(server)
        if address is None:
            raise SettingsError(
                "nats.url is no address of NATS",
                expected="tls://host:4222, or several with commas between them",
            )
        if address["scheme"] != "tls":
            _check_clear("nats", "url", "tls://", address["host"], settings.insecure)
    return servers


def openbao_url(name: str, url: str, *, insecure: bool) -> str:
    """The address of OpenBao in the section `name`. Raises `SettingsError` likewise."""
    address = _OPENBAO_ADDRESS.fullmatch(url)
    if address is None:
        raise SettingsError(f"{name}.url is no address of OpenBao", expected="https://host:8200")
    if address["scheme"] != "https":
        _check_clear(name, "url", "https://", address["host"], insecure)
    return url


def postgres_dsn(name: str, text: str, settings: PostgresSettings) -> str:
    """The DSN of the section `name` with all that it takes to trust the server.

    Raises `SettingsError` for what is no DSN, and where a server beyond loopback would be
    spoken to in clear, or without knowing who it is.
    """
    dsn = Dsn.read(text)
    if dsn is None:
        raise SettingsError(
            f"{name}.dsn is no DSN",
            expected='one such as "postgresql://role@host/database"',
            next_step="percent-encode a password in it, or better use password_file",
        )
    parameters = _tls_parameters(name, dsn, settings)
    if dsn.sslmode is None and (parameters or not dsn.is_loopback):
        parameters["sslmode"] = _VERIFIED
    elif dsn.sslmode != _VERIFIED and not dsn.is_loopback and not settings.insecure:
        raise SettingsError(
            f"{name}.dsn has an sslmode that talks in clear or to anybody, beyond loopback",
            expected=f"sslmode={_VERIFIED}, which is meant where none is said",
            next_step=_way_out(name),
        )
    return dsn.text_with(parameters) if parameters else text


def insecure_sections(settings: Settings) -> tuple[str, ...]:
    """Those of a worker's sections that say `insecure`, by name."""
    says = {
        "nats": settings.nats.insecure,
        "postgres": settings.postgres.insecure,
        "openbao": settings.openbao.insecure,
    }
    return tuple(name for name, insecure in says.items() if insecure)


def _tls_parameters(name: str, dsn: Dsn, settings: PostgresSettings) -> dict[str, str]:
    if (settings.cert_file is None) != (settings.key_file is None):
        raise SettingsError(
            f"{name}.cert_file and {name}.key_file go together", expected="both or neither"
        )
    files = {
        "sslrootcert": settings.ca_file,
        "sslcert": settings.cert_file,
        "sslkey": settings.key_file,
    }
    parameters = {parameter: str(file) for parameter, file in files.items() if file is not None}
    _refuse_twice(name, dsn.parameters, parameters)
    return parameters


def _refuse_twice(name: str, said: Mapping[str, str], meant: Mapping[str, str]) -> None:
    twice = sorted(set(said) & set(meant))
    if twice:
        raise SettingsError(
            f"{name}.dsn holds {', '.join(twice)}, which {name} sets too", expected="one of them"
        )


def _check_clear(section: str, setting: str, scheme: str, host: str, insecure: bool) -> None:  # noqa: FBT001 - private, and always by its name in the settings
    if not insecure and not is_loopback(host):
        raise SettingsError(
            f"{section}.{setting} leads beyond loopback in clear",
            expected=f"{scheme}, or a loopback address",
            next_step=_way_out(section),
        )


def _way_out(section: str) -> str:
    return f"{section}.insecure = true allows it, and whoever is on the network reads along"
