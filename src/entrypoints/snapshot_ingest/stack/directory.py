"""The stack's own directory: who may use it, and whether it is new, whole or half made."""

import fcntl
import os
import shutil
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from snapshot_ingest.stack.errors import StackError
from snapshot_ingest.stack.waiting import came_true

_LOCK = "stack.lock"
_LOGS = "logs"
_MAKING = "stack.making"
_MADE = "stack.made"
_PID_DIGITS = 20
_SERVER_FOLDERS = ("nats", "postgres", "openbao", "secrets")

# After a kill -9 the servers of the former process need a moment to end.
_LOCK_DEADLINE = timedelta(seconds=5)


class StackDirectory:
    """A directory that belongs to one running stack at a time.

    Used as a context manager after `claim()`. A marker says how far its first start came, so that
    a directory that was half made, or that others made, is refused instead of being repaired by
    guessing: a new key beside an old store would lose data silently.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.nats = self.root / "nats"
        self.postgres = self.root / "postgres"
        self.openbao = self.root / "openbao"
        self.secrets = self.root / "secrets"
        self.logs = self.root / _LOGS
        self.is_new = False
        self.lock_fd = -1

    async def claim(self) -> None:
        """Makes this process the directory's only user, and looks whether it is new.

        The servers inherit `lock_fd`, so the claim ends with the last of them.

        Raises:
            StackError: it cannot be made, another stack uses it, it is half made, or it is not
                empty and not ours.
        """
        self.lock_fd = self._make()
        try:
            await self._lock()
            self.is_new = self._look()
        except BaseException:
            self.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Gives the directory back."""
        os.close(self.lock_fd)
        self.lock_fd = -1

    def begin_making(self) -> None:
        """Marks a new directory as half made, and makes the folders in it."""
        (self.root / _MAKING).touch(mode=0o600)
        for name in _SERVER_FOLDERS:
            (self.root / name).mkdir(mode=0o700)

    def end_making(self) -> None:
        """Marks the directory as whole: from now on, starts continue from what is there."""
        (self.root / _MAKING).rename(self.root / _MADE)

    def drop_if_half_made(self) -> None:
        """Takes back what a failed first start made, save the logs that say why it failed."""
        if not (self.root / _MAKING).exists():
            return
        for name in _SERVER_FOLDERS:
            shutil.rmtree(self.root / name, ignore_errors=True)
        (self.root / _MAKING).unlink()

    def require(self, *paths: Path) -> None:
        """Raises StackError where something that the first start made has gone."""
        for path in paths:
            if not path.exists():
                raise StackError(
                    f"{path} is missing from a directory that was whole",
                    expected="everything that its first start made",
                    next_step=f"bring it back, or remove {self.root} to start from nothing",
                )

    def _make(self) -> int:
        # Root's PostgreSQL runs as another user, who passes through to its own folder here and
        # cannot list the rest.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            if not self.root.is_dir():
                self.root.mkdir(mode=mode, parents=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            return os.open(self.root / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            reason = error.strerror
        raise StackError(
            f"{self.root} cannot be used: {reason}",
            expected="a directory, there or still to be made, that this user may write to",
            next_step="name another directory",
        )

    async def _lock(self) -> None:
        if not await came_true(self._try_lock, within=_LOCK_DEADLINE):
            holder = os.pread(self.lock_fd, _PID_DIGITS, 0).decode()
            raise StackError(
                f"{self.root} is in use by process {holder}, or by servers that it left",
                expected="one stack a directory",
                next_step="stop the other one, or name another directory",
            )
        os.truncate(self.lock_fd, 0)
        os.pwrite(self.lock_fd, str(os.getpid()).encode(), 0)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _look(self) -> bool:
        names = {entry.name for entry in self.root.iterdir()}
        if _MADE in names:
            return False
        if _MAKING in names:
            raise StackError(
                f"{self.root} is half made: its first start was cut off",
                expected="a directory that is new, empty, or whole",
                next_step="remove it and start again; nothing was stored in it yet",
            )
        if names - {_LOCK, _LOGS}:
            raise StackError(
                f"{self.root} is not empty and was not made by snapshot-ingest, or only in part",
                expected="a directory that is new, empty, or whole",
                next_step="name another directory, or empty this one",
            )
        return True


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read; a former one is replaced."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
