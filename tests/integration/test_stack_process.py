"""A child process of the embedded stack: how it starts, fails and ends."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from signal import Signals

import pytest
import pytest_asyncio
from attrs import evolve

from snapshot_ingest.stack import StackError
from snapshot_ingest.stack.process import Command, ServerProcess, is_running, run_to_end
from snapshot_ingest.stack.waiting import came_true

_SECOND = timedelta(seconds=1)


async def _never(_pid: int) -> bool:
    return False


def _has_a_line(file: Path) -> bool:
    return file.exists() and file.read_text().endswith("\n")


def _shell(tmp_path: Path, script: str) -> Command:
    return Command(
        name="shell",
        argv=("/bin/sh", "-c", script),
        log_file=tmp_path / "shell.log",
        stop=Signals.SIGTERM,
        orphan=Signals.SIGKILL,
    )


def _start(command: Command) -> ServerProcess:
    descriptor = os.open("/dev/null", os.O_RDONLY)
    try:
        return ServerProcess(command, kept_open=descriptor)
    finally:
        os.close(descriptor)


@pytest_asyncio.fixture(loop_scope="session")
async def stubborn(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server that ignores every polite request to end."""
    ready = tmp_path / "ready"
    process = _start(_shell(tmp_path, f"trap '' TERM; : > '{ready}'; while :; do sleep 0.1; done"))

    async def is_ready(_pid: int) -> bool:
        return ready.exists()

    await process.wait_until_ready(is_ready, within=10 * _SECOND)
    yield process
    await process.kill()


async def test_a_server_that_ends_before_it_is_ready_is_one_clear_line(tmp_path: Path) -> None:
    process = _start(_shell(tmp_path, "echo because >&2; exit 3"))
    with pytest.raises(StackError, match="shell ended with exit code 3") as caught:
        await process.wait_until_ready(_never, within=10 * _SECOND)
    log = tmp_path / "shell.log"
    assert str(log) in str(caught.value)
    assert log.read_text() == "because\n"
    assert log.stat().st_mode & 0o777 == 0o600


def _meets_ctrl_c(tmp_path: Path, times: int, rest: str) -> Command:
    """Dies of SIGINT when it is first run, so many times, and then does the rest."""
    runs = tmp_path / "runs"
    script = f"echo run >> '{runs}'; [ $(wc -l < '{runs}') -gt {times} ] || kill -INT $$; {rest}"
    # In the background of a shell SIGINT is ignored, and a shell cannot take that back.
    heard = "import os, signal; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    heard += f"os.execl('/bin/sh', 'sh', '-c', {script!r})"
    return evolve(_shell(tmp_path, script), argv=(sys.executable, "-c", heard))


async def test_a_server_that_met_a_ctrl_c_before_it_had_its_session_is_started_again(
    tmp_path: Path,
) -> None:
    ready = tmp_path / "ready"
    command = _meets_ctrl_c(tmp_path, 1, f": > '{ready}'; exec sleep 60")
    descriptor = os.open("/dev/null", os.O_RDONLY)
    process = ServerProcess(command, kept_open=descriptor)

    async def is_ready(_pid: int) -> bool:
        return ready.exists()

    try:
        await process.wait_until_ready(is_ready, within=10 * _SECOND)
        assert is_running(process.pid)
    finally:
        await process.kill()
        os.close(descriptor)


async def test_a_program_that_met_a_ctrl_c_before_it_had_its_session_is_run_again(
    tmp_path: Path,
) -> None:
    await run_to_end(_meets_ctrl_c(tmp_path, 1, "exit 0"), within=10 * _SECOND)


async def test_a_program_that_dies_of_it_again_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="shell ended with exit code -2"):
        await run_to_end(_meets_ctrl_c(tmp_path, 2, "exit 0"), within=10 * _SECOND)
    assert (tmp_path / "runs").read_text() == "run\n" * 2


async def test_a_server_that_never_answers_is_one_clear_line(stubborn: ServerProcess) -> None:
    with pytest.raises(StackError, match="shell does not answer; expected it to be ready"):
        await stubborn.wait_until_ready(_never, within=0.1 * _SECOND)


async def test_a_server_that_does_not_end_in_time_is_ended_by_force(
    stubborn: ServerProcess,
) -> None:
    await stubborn.stop(within=0.1 * _SECOND)
    assert not is_running(stubborn.pid)


async def test_a_stop_that_is_cancelled_leaves_no_server_running(stubborn: ServerProcess) -> None:
    stopping = asyncio.create_task(stubborn.stop(within=60 * _SECOND))
    # Let it send its signal and begin to wait.
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert not is_running(stubborn.pid)


async def test_a_kill_is_over_when_the_servers_own_children_have_gone(tmp_path: Path) -> None:
    written = tmp_path / "child"
    process = _start(_shell(tmp_path, f"sleep 1 & echo $! > '{written}'; wait"))

    async def is_ready(_pid: int) -> bool:
        return _has_a_line(written)

    await process.wait_until_ready(is_ready, within=10 * _SECOND)
    await process.kill()
    assert not is_running(int(written.read_text()))


async def test_a_server_can_be_stopped_twice(stubborn: ServerProcess) -> None:
    await stubborn.stop(within=0.1 * _SECOND)
    await stubborn.stop(within=0.1 * _SECOND)


async def test_nothing_of_our_environment_reaches_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/elsewhere")
    monkeypatch.setenv("VAULT_TOKEN", "ours")
    await run_to_end(_shell(tmp_path, "env"), within=10 * _SECOND)
    seen = {line.partition("=")[0] for line in (tmp_path / "shell.log").read_text().splitlines()}
    assert seen <= {"PATH", "LC_ALL", "TZ", "HOME", "PWD", "OLDPWD", "SHLVL", "_"}


async def test_a_program_that_fails_or_takes_too_long_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="shell ended with exit code 4; expected exit code 0"):
        await run_to_end(_shell(tmp_path, "exit 4"), within=10 * _SECOND)
    with pytest.raises(StackError, match="shell ended with exit code -9"):
        await run_to_end(_shell(tmp_path, "sleep 60"), within=0.1 * _SECOND)


async def test_a_program_that_is_cut_off_takes_its_helpers_with_it(tmp_path: Path) -> None:
    written = tmp_path / "child"
    script = f"sleep 60 & echo $! > '{written}'; wait"
    running = asyncio.create_task(run_to_end(_shell(tmp_path, script), within=60 * _SECOND))
    assert await came_true(lambda: _has_a_line(written), within=10 * _SECOND)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    helper = int(written.read_text())
    assert await came_true(lambda: not is_running(helper), within=10 * _SECOND)
