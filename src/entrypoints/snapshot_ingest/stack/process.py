"""Starts a server as a child process, waits until it answers, and ends it for certain."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from signal import Signals
from typing import BinaryIO

from attrs import frozen

from snapshot_ingest.stack.errors import StackError
from snapshot_ingest.stack.identity import setpriv
from snapshot_ingest.stack.waiting import POLL_SECONDS, came_true

_STOP_DEADLINE = timedelta(seconds=15)
_KILL_DEADLINE = timedelta(seconds=5)

# A Ctrl-C may reach a child that has not got its own session yet. It has done nothing so far,
# and is started once more: whoever stops us waits for an orderly end.
_MET_CTRL_C = -Signals.SIGINT

# Nothing is inherited: variables such as PGDATA, BAO_ADDR or VAULT_LOG_LEVEL would change what
# the servers do.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}


@frozen
class Command:
    """How one program is started, and which signals end it.

    `argv` is readable by every user of the machine, so nothing secret belongs there. `orphan`
    is the signal that the kernel sends when this process dies, however it dies.
    """

    name: str
    argv: tuple[str, ...]
    log_file: Path
    stop: Signals
    orphan: Signals
    run_as: tuple[str, ...] = ()

    def full_argv(self) -> tuple[str, ...]:
        """Returns the whole command line: becoming another user clears the orphan signal."""
        dies_with_us = (setpriv(), f"--pdeathsig={self.orphan.name.removeprefix('SIG')}", "--")
        return (*self.run_as, *dies_with_us, *self.argv)


class ServerProcess:
    """One running server: a session of its own, so that Ctrl-C at the terminal is ours alone.

    `kept_open` is a file descriptor that the server inherits and holds as long as it runs.
    """

    def __init__(self, command: Command, *, kept_open: int) -> None:
        self._command = command
        self._kept_open = kept_open
        self._child = _spawn(command, kept_open=kept_open)
        self._is_second = False

    @property
    def pid(self) -> int:
        """The server's process id: no shell or wrapper stands in between."""
        return self._child.pid

    async def wait_until_ready(
        self, is_ready: Callable[[int], Awaitable[bool]], *, within: timedelta
    ) -> None:
        """Returns when `is_ready(pid)` says so.

        Raises:
            StackError: the server ended, or the time was over.
        """
        command = self._command
        deadline = time.monotonic() + within.total_seconds()
        while not await is_ready(self.pid):
            code = self._child.poll()
            if code == _MET_CTRL_C and not self._is_second:
                self._child = _spawn(command, kept_open=self._kept_open)
                self._is_second = True
            elif code is not None:
                raise StackError(
                    f"{command.name} ended with exit code {code} before it was ready",
                    expected="it to serve",
                    next_step=f"its log says why: {command.log_file}",
                )
            if time.monotonic() > deadline:
                raise StackError(
                    f"{command.name} does not answer",
                    expected=f"it to be ready within {within.total_seconds():.0f} s",
                    next_step=f"its log says how far it came: {command.log_file}",
                )
            await asyncio.sleep(POLL_SECONDS)

    async def stop(self, *, within: timedelta = _STOP_DEADLINE) -> None:
        """Ends the server in its own orderly way, by force once the time is over."""
        try:
            self._signal(self._command.stop)
            await self._ended(within=within)
        finally:
            # Also when we are cancelled while we wait: nothing is left running.
            self._signal(Signals.SIGKILL)
            self._child.wait(_KILL_DEADLINE.total_seconds())

    async def kill(self) -> None:
        """Ends the server at once, as a crash would, and waits until its children have gone."""
        children = _children_of(self.pid)
        self._signal(Signals.SIGKILL)
        await self._ended(within=_KILL_DEADLINE)
        await came_true(lambda: not any(map(is_running, children)), within=_KILL_DEADLINE)

    def _signal(self, signal: Signals) -> None:
        # Popen sends nothing to a process that it knows to have ended.
        self._child.send_signal(signal)

    async def _ended(self, *, within: timedelta) -> None:
        await came_true(lambda: self._child.poll() is not None, within=within)


async def run_to_end(command: Command, *, stdin: bytes = b"", within: timedelta) -> None:
    """Runs a program that does one thing and ends.

    Raises:
        StackError: it failed, or it took too long.
    """
    code = await _exit_code(command, stdin, within)
    if code == _MET_CTRL_C:
        code = await _exit_code(command, stdin, within)
    if code != 0:
        raise StackError(
            f"{command.name} ended with exit code {code}",
            expected="exit code 0",
            next_step=f"its log says why: {command.log_file}",
        )


async def _exit_code(command: Command, stdin: bytes, within: timedelta) -> int:
    child = _spawn(command, stdin=stdin)
    try:
        await came_true(lambda: child.poll() is not None, within=within)
    finally:
        # With its own children: a helper that lives on would write into what is cleared away.
        if child.poll() is None:
            os.killpg(child.pid, Signals.SIGKILL)
        child.wait(_KILL_DEADLINE.total_seconds())
    return child.returncode


def is_running(pid: int) -> bool:
    """Tells whether the process exists and is more than a zombie."""
    state = ""
    with suppress(OSError):
        # The name in parentheses may hold spaces; the state follows it.
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state not in ("", "Z", "X")


def _spawn(
    command: Command, *, stdin: bytes = b"", kept_open: int | None = None
) -> "subprocess.Popen[bytes]":
    with tempfile.TemporaryFile() as given, _open_log(command.log_file) as log:
        given.write(stdin)
        given.seek(0)
        return subprocess.Popen(
            command.full_argv(),
            stdin=given,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
            pass_fds=() if kept_open is None else (kept_open,),
        )


def _open_log(path: Path) -> BinaryIO:
    def private(name: str, flags: int) -> int:
        return os.open(name, flags, mode=0o600)

    return open(path, "ab", opener=private)


def _children_of(pid: int) -> tuple[int, ...]:
    with suppress(OSError):
        return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return ()
