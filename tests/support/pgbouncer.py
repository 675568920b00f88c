"""Debian's PgBouncer in transaction mode, in front of any PostgreSQL that lets a superuser in."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from attrs import frozen

_PROGRAM = Path("/usr/sbin/pgbouncer")
_USER = "postgres"
_READY_SECONDS = 10.0
_POLL_SECONDS = 0.05

# Roles are looked up at the server, so that one that is made later is known as well.
_CONFIGURATION = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
auth_user = {superuser}
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = {clients}
logfile = {log}
"""


@frozen
class PgBouncer:
    """A running pooler."""

    port: int

    def instead_of(self, dsn: str) -> str:
        """The same way into the database, but through the pooler."""
        parts = urlsplit(dsn)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self.port}"))


@contextmanager
def pgbouncer(
    admin_dsn: str, folder: Path, *, sessions: int = 3, clients: int = 100
) -> Iterator[PgBouncer]:
    """A pooler with so many sessions for each role and database, which ends with the block."""
    assert _PROGRAM.exists(), "Debian's package pgbouncer is missing: make system-packages"
    server = urlsplit(admin_dsn)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    users, configuration, log = (folder / name for name in ("users", "pgbouncer.ini", "log"))
    users.write_text(f'"{server.username}" "{server.password}"\n')
    configuration.write_text(
        _CONFIGURATION.format(
            host=server.hostname,
            port=server.port,
            own_port=port,
            users=users,
            superuser=server.username,
            sessions=sessions,
            clients=clients,
            log=log,
        )
    )
    for path in (folder, users, configuration):
        shutil.chown(path, _USER)
    # These folders are pytest's own; the pooler's user must be able to pass through them.
    for parent in list(folder.parents)[:3]:
        parent.chmod(0o711)
    process = subprocess.Popen(
        [
            *("setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups"),
            *("--pdeathsig", "KILL", str(_PROGRAM), "-q", str(configuration)),
        ],
        cwd="/",
    )
    try:
        _wait_until_ready(port)
        yield PgBouncer(port)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)) != 0:
            assert time.monotonic() < deadline, "PgBouncer did not become ready"
            time.sleep(_POLL_SECONDS)
