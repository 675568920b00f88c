"""Where `up` cannot work it says so in one line, exits with 1, and leaves nothing running."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from snapshot_ingest.stack.identity import unprivileged_identity
from support.command import finished, processes_of
from support.files import small_fleet

_ROOT = 0


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        yield port


async def _refused(
    folder: Path, *arguments: object, prefix: tuple[str, ...] = (), words: str
) -> None:
    """The command ends with 1 and one line that holds these words."""
    code, up = await finished(*arguments, folder=folder, prefix=prefix)
    lines = [line for line in up.stderr.splitlines() if line.startswith("snapshot-ingest: ")]
    assert code == 1
    assert len(lines) == 1
    assert lines[0] == up.stderr.splitlines()[-1]
    assert words in lines[0]
    assert "Traceback" not in up.stderr
    assert up.stdout == b""
    assert processes_of(folder) == []


@pytest.mark.parametrize("server", ["nats", "postgres", "openbao"])
async def test_a_servers_port_is_taken(tmp_path: Path, taken_port: int, server: str) -> None:
    asked = ("up", "--data-dir", tmp_path / "data", f"--{server}-port", taken_port)
    await _refused(tmp_path, *asked, words=str(taken_port))


async def test_the_http_port_is_taken(tmp_path: Path, taken_port: int) -> None:
    asked = ("--set", f"http.port={taken_port}", "up", "--data-dir", tmp_path / "data")
    await _refused(tmp_path, *asked, words=f"cannot listen on 127.0.0.1:{taken_port}")


async def test_the_directory_is_not_ours(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "letters.txt").write_text("dear")
    await _refused(tmp_path, "up", "--data-dir", theirs, words="was not made by snapshot-ingest")
    assert (theirs / "letters.txt").read_text() == "dear"


async def test_the_directory_is_half_made(tmp_path: Path) -> None:
    half = tmp_path / "half"
    half.mkdir()
    (half / "stack.making").touch()
    await _refused(tmp_path, "up", "--data-dir", half, words="is half made")


async def test_the_directory_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    await _refused(tmp_path, "up", "--data-dir", tmp_path / "file", words="cannot be used")


async def test_what_to_publish_is_missing(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    await _refused(
        tmp_path, "up", "--data-dir", tmp_path / "data", "--publish", missing, words=str(missing)
    )
    assert not (tmp_path / "data").exists()


async def test_a_setting_is_wrong_and_no_server_was_started_for_it(tmp_path: Path) -> None:
    asked = ("--set", "hash_policy=maybe", "up", "--data-dir", tmp_path / "data")
    await _refused(tmp_path, *asked, words="hash_policy")
    assert not (tmp_path / "data").exists()


async def test_the_directory_may_not_be_written_to() -> None:
    # Not tmp_path: pytest's folder is closed to others.
    with _open_to_all() as folder:
        closed = folder / "closed"
        closed.mkdir(mode=0o500 if os.geteuid() != _ROOT else 0o755)
        prefix = _ordinary_user()
        asked = ("up", "--data-dir", closed / "data")
        await _refused(folder, *asked, prefix=prefix, words="Permission denied")


async def test_an_ordinary_user_runs_it_below_a_directory_that_is_theirs_alone() -> None:
    with _open_to_all() as folder:
        home = folder / "home"
        home.mkdir(mode=0o700)
        fleet = small_fleet(home, 3)
        identity = unprivileged_identity([])
        for path in (home, fleet, *fleet.iterdir()):
            identity.take(path)
        data_dir = home / "data"
        asked = ("--data-dir", data_dir, "--publish", fleet, "--until-idle", "--json")
        code, up = await finished("up", *asked, folder=folder, prefix=_ordinary_user())
        assert code == 0, up.stderr
        assert up.summary["stored"] == 3
        assert home.stat().st_mode & 0o777 == 0o700
        assert processes_of(folder) == []
        if identity.uid is not None:
            assert {path.stat().st_uid for path in data_dir.iterdir()} == {identity.uid}


def _ordinary_user() -> tuple[str, ...]:
    """Root becomes another user; who is an ordinary user already stays what they are."""
    reached = [Path(sys.executable).resolve(), *map(Path, filter(None, sys.path))]
    return unprivileged_identity(reached).prefix


@contextmanager
def _open_to_all() -> Iterator[Path]:
    """A folder that every user may enter, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="snapshot-ingest-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
