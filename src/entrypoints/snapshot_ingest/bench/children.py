"""Processes of a bench: told what to do on standard input, and gone when the block ends."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from snapshot_ingest.bench.contenders.running import FAILED
from snapshot_ingest.bench.errors import BenchError

_ANSWER_SECONDS = 120.0
_END_SECONDS = 30.0


class Child:
    """A process that is told lines and answers with lines."""

    def __init__(self, name: str, process: Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise BenchError(f"{name} was started without its input and output")
        self._name = name
        self._process = process
        self._input = process.stdin
        self._output = process.stdout

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def look(self) -> None:
        """Raises `BenchError` if it has ended."""
        if self._process.returncode is not None:
            raise BenchError(
                f"{self._name} ended with exit code {self._process.returncode}",
                expected="it to work until it is told to end",
            )

    async def tell(self, line: str) -> None:
        """Writes a line to it. If it has ended, its answer says so."""
        with suppress(ConnectionError):
            self._input.write(line.encode() + b"\n")
            await self._input.drain()

    async def answer(self) -> str:
        """The next line that it says. Raises `BenchError` if it fails or says nothing."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                line = await self._output.readline()
        except TimeoutError:
            line = b""
        said = line.decode().strip()
        if not said or said.startswith(FAILED):
            raise BenchError(
                f"{self._name} did not do its work",
                expected=f"an answer within {_ANSWER_SECONDS:g} s",
                next_step=f"it failed with {said.removeprefix(FAILED)}" if said else "",
            )
        return said

    async def end(self) -> None:
        """Tells it to end, and returns when it has."""
        self._input.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                code = await self._process.wait()
        except TimeoutError:
            code = None
        if code != 0:
            raise BenchError(f"{self._name} did not end in order", expected="exit code 0")


@asynccontextmanager
async def started(
    module: str, arguments: Sequence[str], told: str, log: Path
) -> AsyncIterator[Child]:
    """The module as a process, once it is ready; what it has to complain goes into the log.

    Nothing secret is an argument: it is told on standard input. Its session is its own, so that
    a Ctrl-C is for us alone; without us its standard input is closed, and it ends.
    """
    with log.open("ab") as complaints:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=complaints,
            start_new_session=True,
            limit=64 * 1024 * 1024,
        )
    try:
        child = Child(" ".join([module.rpartition(".")[2], *arguments]), process)
        await child.tell(told)
        await child.answer()
        yield child
        await child.end()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
