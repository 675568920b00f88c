"""Servers from Debian's packages, on loopback and on ports of their own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_USER = "postgres"
_PASSWORD = "guards-nothing-here"
_READY_SECONDS = 30
_POLL_SECONDS = 0.05
_READY = b"database system is ready to accept connections"

OTHER_PROGRAMS = "POSTGRES_PROGRAMS"
"""Names a folder with `initdb` and `postgres` of another version, in place of Debian's."""


@pytest.fixture(scope="session")
def debian_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh cluster of Debian's PostgreSQL, or of the one that is named: the superuser's DSN."""
    programs = _programs()
    home = tmp_path_factory.mktemp("debian-postgres")
    _initialise(programs, home)
    port = _free_port()
    command = [str(programs / "postgres"), "-D", str(home / "data"), "-p", str(port)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([*_as_postgres(), *command], stdout=log, stderr=log, cwd="/")
    try:
        _wait_until_ready(home / "log")
        yield f"postgresql://postgres:{_PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(timeout=60)


def _programs() -> Path:
    if named := os.environ.get(OTHER_PROGRAMS):
        return Path(named)
    versions = sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda path: int(path.name))
    assert versions, "Debian's package postgresql is missing: make system-packages"
    return versions[-1] / "bin"


def _initialise(programs: Path, home: Path) -> None:
    password = home / "password"
    password.write_text(_PASSWORD)
    for path in (home, password):
        shutil.chown(path, _USER)
    # These folders are pytest's own; the server's user must be able to pass through them.
    for parent in list(home.parents)[:2]:
        parent.chmod(0o711)
    command = [str(programs / "initdb"), "-D", str(home / "data"), "-U", "postgres", "-E", "UTF8"]
    command += ["--auth=scram-sha-256", "--locale=C.UTF-8", f"--pwfile={password}"]
    subprocess.run(
        [*_as_postgres(), *command], check=True, capture_output=True, timeout=120, cwd="/"
    )


def _as_postgres() -> list[str]:
    """Debian's server refuses to run as root; it dies with us."""
    drop = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups"]
    return [*drop, "--pdeathsig", "KILL"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while _READY not in log.read_bytes():
        assert time.monotonic() < deadline, "PostgreSQL did not become ready"
        time.sleep(_POLL_SECONDS)
