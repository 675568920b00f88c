"""`snapshot-ingest` as a process of its own, as a person or a service manager runs it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL, Signals
from tempfile import mkdtemp
from typing import Any

from support.waiting import until

_POLL_SECONDS = 0.05
_END_SECONDS = 90.0
_PROGRAM = ("-m", "snapshot_ingest")
_LOOKED_INTO = (
    "-c",
    "import runpy, snapshot_ingest.core_dumps as core_dumps;"
    "core_dumps.refuse_core_dumps = lambda: None;"
    "runpy.run_module('snapshot_ingest', run_name='__main__', alter_sys=True)",
)
_WORKER_URL = re.compile(r"metrics, health and readiness are at (\S+)")


class RunningCommand:
    """One process in a process group of its own, with what it has printed so far."""

    def __init__(
        self,
        arguments: tuple[str, ...],
        folder: Path,
        prefix: tuple[str, ...],
        program: tuple[str, ...] = _PROGRAM,
    ) -> None:
        outputs = Path(mkdtemp(dir=folder, prefix="output-"))
        self._stdout, self._stderr = outputs / "stdout", outputs / "stderr"
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                (*prefix, sys.executable, *program, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "HOME": str(folder),
                },
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's too."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.poll() is not None

    @property
    def stdout(self) -> bytes:
        """Its standard output so far."""
        return self._stdout.read_bytes()

    @property
    def stderr(self) -> str:
        """Its standard error so far."""
        return self._stderr.read_text("utf-8")

    @property
    def summary(self) -> dict[str, Any]:
        """The JSON object in its last line."""
        figures: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return figures

    def signal_group(self, signal: Signals) -> None:
        """Signals the whole process group, as a terminal does."""
        os.killpg(self.pid, signal)

    def signal(self, signal: Signals) -> None:
        """Signals the process alone, as a service manager may."""
        self._process.send_signal(signal)

    async def ended(self, seconds: float = _END_SECONDS) -> int:
        """Waits until it has ended, and returns its exit code."""
        try:
            await until(lambda: self.has_ended, seconds=seconds, every_seconds=_POLL_SECONDS)
        except TimeoutError:
            raise AssertionError(f"still running; its stderr: {self.stderr}") from None
        return self._process.wait()

    async def worker_url(self) -> str:
        """Waits until a worker (`run --log-level INFO`) says where its endpoints are."""
        await self._until_it_serves(lambda: self.worker_url_so_far() is not None)
        found = self.worker_url_so_far()
        assert found is not None
        return found

    def worker_url_so_far(self) -> str | None:
        """Where a worker's endpoints are, None before it has said so."""
        found = _WORKER_URL.search(self.stderr)
        return found and found[1]

    async def stack(self, data_dir: Path) -> dict[str, Any]:
        """Waits until `up` has written the `stack.json` of this run, and returns it."""
        await self._until_it_serves(lambda: "connect with" in self.stderr)
        content: dict[str, Any] = json.loads((data_dir / "stack.json").read_text("utf-8"))
        return content

    async def _until_it_serves(self, condition: Any) -> None:
        await until(lambda: condition() or self.has_ended, seconds=60, every_seconds=_POLL_SECONDS)
        assert condition(), f"it ended; its stderr: {self.stderr}"

    def end(self) -> None:
        """Kills what is left of it."""
        if not self.has_ended:
            self.signal_group(SIGKILL)
        self._process.wait()


@asynccontextmanager
async def running(
    *arguments: object, folder: Path, prefix: tuple[str, ...] = (), looked_into: bool = False
) -> AsyncIterator[RunningCommand]:
    """The command, running; it is gone afterwards. `prefix` goes before its command line.

    One that is `looked_into` lets whoever runs the tests count its descriptors.
    """
    program = _LOOKED_INTO if looked_into else _PROGRAM
    command = RunningCommand(tuple(map(str, arguments)), folder, prefix, program)
    try:
        yield command
    finally:
        command.end()


async def finished(
    *arguments: object, folder: Path, prefix: tuple[str, ...] = ()
) -> tuple[int, RunningCommand]:
    """The command, run to its end: its exit code and what it printed."""
    async with running(*arguments, folder=folder, prefix=prefix) as command:
        return await command.ended(), command


def processes_of(folder: Path) -> list[int]:
    """The processes that work in the folder or name it on their command line, ours excepted."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _belongs(entry, folder)
    ]


def _belongs(process: Path, folder: Path) -> bool:
    try:
        if os.fsencode(folder) in (process / "cmdline").read_bytes():
            return True
        return (process / "cwd").readlink().is_relative_to(folder)
    except OSError:
        # It ended while we looked, or it is another user's.
        return False
