"""nats-server with users of its own, and JetStream, as a rule encrypted at rest."""

import asyncio
import json
import secrets
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from signal import Signals

from snapshot_ingest.stack.directory import StackDirectory, write_private
from snapshot_ingest.stack.nats_users import (
    ADMIN,
    INGEST,
    PROVISION,
    USERS,
    NatsLogin,
    NatsUser,
    users_config,
)
from snapshot_ingest.stack.ports import HOST
from snapshot_ingest.stack.process import Command

_SERVER_NAME = "snapshot-ingest"
_ANSWER_SECONDS = 2.0


class NatsServer:
    """The stream's server: on loopback only, and each role has a user."""

    start_deadline = timedelta(seconds=60)

    def __init__(
        self,
        program: Path,
        directory: StackDirectory,
        port: int,
        users: Sequence[NatsUser] = USERS,
        *,
        encrypted: bool = True,
    ) -> None:
        self._program = program
        self._encrypted = encrypted
        self._config = directory.nats / "nats-server.conf"
        self._secrets = directory.secrets
        self._key = directory.secrets / "jetstream_key.conf"
        self._users_file = directory.secrets / "nats_users.conf"
        self._port = port
        self._users = users
        self.store = directory.nats / "store"
        self.log = directory.logs / "nats.log"
        self.url = f"nats://{HOST}:{port}"
        self.ingest = self._login(INGEST)
        self.provision = self._login(PROVISION)
        self.admin = self._login(ADMIN)

    @property
    def needed(self) -> tuple[Path, ...]:
        """The key and the store that it opens."""
        # With another key the server starts, and the streams are just not found.
        return (self._key, self.store)

    @property
    def admin_url(self) -> str:
        """The administrator's way in; it holds the password."""
        password = self.admin.password_file.read_text(encoding="utf-8")
        return f"nats://{self.admin.user}:{password}@{HOST}:{self._port}"

    async def make(self) -> None:
        """Makes the store and the key that encrypts it."""
        self.store.mkdir(mode=0o700)
        write_private(self._key, f'key: "{secrets.token_hex(32)}"\n')

    def command(self) -> Command:
        """Writes the configuration and returns how to start the server."""
        passwords = {user.name: self._password(user) for user in self._users}
        write_private(self._users_file, users_config(passwords, self._users))
        key = self._key if self._encrypted else None
        write_private(self._config, nats_config(self._port, self.store, key, self._users_file))
        return Command(
            name="nats-server",
            argv=(str(self._program), "--config", str(self._config)),
            log_file=self.log,
            stop=Signals.SIGTERM,
            orphan=Signals.SIGKILL,
        )

    async def is_ready(self, pid: int) -> bool:  # noqa: ARG002 - the port is reserved for this one
        """Tells whether the server greets its clients and offers JetStream."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(HOST, self._port)
                try:
                    greeting = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False
        return greeting.startswith(b"INFO ") and b'"jetstream":true' in greeting

    def _login(self, user: NatsUser) -> NatsLogin:
        return NatsLogin(user.name, self._secrets / user.file_name)

    def _password(self, user: NatsUser) -> str:
        """Made where there is none yet: a directory of an earlier version has none."""
        file = self._login(user).password_file
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32))
        return file.read_text(encoding="utf-8")


def nats_config(port: int, store: Path, key_file: Path | None, users_file: Path) -> str:
    """Returns the server's configuration; key and passwords stay in files of their own.

    >>> secrets = Path("/d/secrets")
    >>> print(nats_config(4222, Path("/d/nats/store"), secrets / "key.conf", secrets / "u.conf"))
    server_name: "snapshot-ingest"
    listen: "127.0.0.1:4222"
    jetstream {
      store_dir: "/d/nats/store"
      cipher: "chachapoly"
      include "../secrets/key.conf"
    }
    include "../secrets/u.conf"
    <BLANKLINE>
    """
    return f"""\
server_name: {_quoted(_SERVER_NAME)}
listen: {_quoted(f"{HOST}:{port}")}
jetstream {{
  store_dir: {_quoted(store)}
{_encryption(key_file)}}}
include {_included(users_file)}
"""


def _encryption(key_file: Path | None) -> str:
    if key_file is None:
        return ""
    return f"""\
  cipher: "chachapoly"
  include {_included(key_file)}
"""


def _included(file: Path) -> str:
    """The server reads an included path relative to the folder of the file that includes it."""
    return _quoted(f"../{file.parent.name}/{file.name}")


def _quoted(text: str | Path) -> str:
    return json.dumps(str(text), ensure_ascii=False)
