"""nats-server with JetStream, as a rule encrypted at rest."""

import asyncio
import json
import secrets
from datetime import timedelta
from pathlib import Path
from signal import Signals

from snapshot_ingest.stack.directory import StackDirectory, write_private
from snapshot_ingest.stack.ports import HOST
from snapshot_ingest.stack.process import Command

_SERVER_NAME = "snapshot-ingest"
_ANSWER_SECONDS = 2.0


class NatsServer:
    """The stream's server: no login, because it listens on loopback only."""

    start_deadline = timedelta(seconds=60)

    def __init__(
        self, program: Path, directory: StackDirectory, port: int, *, encrypted: bool = True
    ) -> None:
        self._program = program
        self._encrypted = encrypted
        self._config = directory.nats / "nats-server.conf"
        self._key = directory.secrets / "jetstream_key.conf"
        self._port = port
        self.store = directory.nats / "store"
        self.log = directory.logs / "nats.log"
        self.url = f"nats://{HOST}:{port}"

    @property
    def needed(self) -> tuple[Path, ...]:
        """The key and the store that it opens."""
        # With another key the server starts, and the streams are just not found.
        return (self._key, self.store)

    async def make(self) -> None:
        """Makes the store and the key that encrypts it."""
        self.store.mkdir(mode=0o700)
        write_private(self._key, f'key: "{secrets.token_hex(32)}"\n')

    def command(self) -> Command:
        """Writes the configuration and returns how to start the server."""
        key = self._key if self._encrypted else None
        write_private(self._config, nats_config(self._port, self.store, key))
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


def nats_config(port: int, store: Path, key_file: Path | None) -> str:
    """Returns the server's configuration; the key that encrypts the store stays in its own file.

    >>> print(nats_config(4222, Path("/d/nats/store"), Path("/d/secrets/key.conf")))
    server_name: "snapshot-ingest"
    listen: "127.0.0.1:4222"
    jetstream {
      store_dir: "/d/nats/store"
      cipher: "chachapoly"
      include "../secrets/key.conf"
    }
    <BLANKLINE>
    """
    return f"""\
server_name: {_quoted(_SERVER_NAME)}
listen: {_quoted(f"{HOST}:{port}")}
jetstream {{
  store_dir: {_quoted(store)}
{_encryption(key_file)}}}
"""


def _encryption(key_file: Path | None) -> str:
    if key_file is None:
        return ""
    # The server reads an included path relative to the folder of the file that includes it.
    included = f"../{key_file.parent.name}/{key_file.name}"
    return f"""\
  cipher: "chachapoly"
  include {_quoted(included)}
"""


def _quoted(text: str | Path) -> str:
    return json.dumps(str(text), ensure_ascii=False)
