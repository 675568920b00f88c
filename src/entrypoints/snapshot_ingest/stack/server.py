"""What the stack needs to know of a server, whichever it is."""

from datetime import timedelta
from pathlib import Path
from typing import Protocol

from snapshot_ingest.stack.process import Command


class Server(Protocol):
    """One server's files, command line and sign of life."""

    @property
    def start_deadline(self) -> timedelta:
        """How long a start may take on a slow machine."""

    @property
    def needed(self) -> tuple[Path, ...]:
        """The files and folders without which a later start would lose data or fail oddly."""

    async def make(self) -> None:
        """Makes what the first start needs. Raises StackError."""

    def command(self) -> Command:
        """Writes the configuration and returns how to start the server."""

    async def is_ready(self, pid: int) -> bool:
        """Tells whether the server with this process id really serves."""
