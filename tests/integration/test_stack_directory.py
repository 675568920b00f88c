"""The directory of the embedded stack: continuing from it, and refusing what is not whole."""

import asyncio
import base64
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx
import nats
import pytest
import pytest_asyncio

from snapshot_ingest.stack import EmbeddedStack, StackAddresses, StackError, StackPorts, wheels
from snapshot_ingest.stack.waiting import came_true
from snapshot_ingest.stack.wheels import WheelProgram

_PLAINTEXT = base64.b64encode(b"set name=shed-ap-03").decode()
_START = """
import asyncio, sys
from pathlib import Path
from snapshot_ingest.stack import EmbeddedStack

asyncio.run(EmbeddedStack(Path(sys.argv[1])).__aenter__())
"""

# What is left of a first start that failed.
_KEPT_BY_A_FAILED_START = {"stack.lock", "logs"}


async def test_a_second_start_continues_from_what_the_first_one_stored(tmp_path: Path) -> None:
    data_dir = tmp_path / "not yet made" / 'é "quoted" $x %41'
    async with EmbeddedStack(data_dir) as stack:
        first = stack.addresses
        ciphertext = await _store_everywhere(first)
    async with EmbeddedStack(data_dir) as stack:
        second = stack.addresses
        assert second.pids != first.pids
        await _find_everywhere(second, ciphertext)
    shutil.rmtree(data_dir)
    assert not data_dir.exists()


async def test_given_ports_are_used(tmp_path: Path) -> None:
    ports = StackPorts(nats=_free_port(), postgres=_free_port(), openbao=_free_port())
    async with EmbeddedStack(tmp_path, ports=ports) as stack:
        addresses = stack.addresses
        assert addresses.nats_server == f"nats://127.0.0.1:{ports.nats}"
        assert f"@127.0.0.1:{ports.postgres}/" in addresses.postgres_admin_dsn
        assert addresses.openbao_url == f"http://127.0.0.1:{ports.openbao}"


@pytest.mark.parametrize("name", ["nats", "postgres", "openbao"])
async def test_a_taken_port_is_one_clear_line(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = await _refusal(tmp_path, ports=StackPorts(**{name: port}))
    assert f"cannot use port {port} on 127.0.0.1: another program listens there" in line
    assert _names(tmp_path) <= _KEPT_BY_A_FAILED_START


@pytest.mark.parametrize("program", ["NATS_SERVER", "INITDB", "POSTGRES", "OPENBAO"])
async def test_a_missing_wheel_is_one_clear_line(
    tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = WheelProgram("no-such-distribution", "bin/no-such-program")
    monkeypatch.setattr(wheels, program, missing)
    line = await _refusal(tmp_path)
    assert "no-such-program was not found" in line
    assert "no-such-distribution" in line
    assert "install snapshot-ingest[stack]" in line


async def test_a_first_start_that_was_cut_off_leaves_a_directory_that_is_refused(
    tmp_path: Path,
) -> None:
    with _starting(tmp_path) as parent:
        marker = tmp_path / "nats" / "store" / "jetstream"
        assert await came_true(marker.exists, within=timedelta(seconds=60))
        parent.kill()
    line = await _refusal(tmp_path)
    assert f"{tmp_path} is half made" in line
    assert "remove it and start again" in line


async def test_a_directory_of_others_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    foreign = tmp_path / "letters"
    foreign.write_text("dear")
    line = await _refusal(tmp_path)
    assert f"{tmp_path} is not empty and was not made by snapshot-ingest" in line
    assert foreign.read_text() == "dear"


async def test_a_file_in_the_directorys_place_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert f"{file} cannot be used: File exists" in await _refusal(file)
    assert "below cannot be used: Not a directory" in await _refusal(file / "below")


@pytest.mark.parametrize(
    "lost",
    [
        "secrets/jetstream_key.conf",
        "secrets/openbao_seal.key",
        "secrets/postgres_superuser.password",
        "nats/store",
        "openbao/data",
        "postgres/data/PG_VERSION",
    ],
)
async def test_a_whole_directory_that_lost_a_part_is_refused(
    whole_directory: Path, tmp_path: Path, lost: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole_directory, copy)
    gone = copy / lost
    gone.unlink() if gone.is_file() else shutil.rmtree(gone)
    line = await _refusal(copy)
    assert f"{gone} is missing" in line


async def test_two_stacks_on_one_directory_are_refused(stack: EmbeddedStack) -> None:
    root = stack.addresses.nats_store.parent.parent
    assert f"{root} is in use by process {os.getpid()}" in await _refusal(root)
    async with httpx.AsyncClient(base_url=stack.addresses.openbao_url, trust_env=False) as client:
        assert (await client.get("/v1/sys/health")).is_success


async def test_a_server_that_fails_is_one_clear_line_and_the_start_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        # nats-server takes OpenBao's command line for an error, and ends.
        patched.setattr(wheels, "OPENBAO", wheels.NATS_SERVER)
        line = await _refusal(tmp_path)
    log = tmp_path / "logs" / "openbao.log"
    assert line.startswith("openbao ended with exit code ")
    assert str(log) in line
    assert log.read_text()
    assert _names(tmp_path) == _KEPT_BY_A_FAILED_START
    async with EmbeddedStack(tmp_path):
        assert "stack.made" in _names(tmp_path)


async def test_a_write_that_fails_is_one_clear_line(tmp_path: Path) -> None:
    # The marker's place is taken by a folder: the first start cannot be ended.
    async def put_in_the_way() -> None:
        assert await came_true((tmp_path / "stack.making").exists, within=timedelta(seconds=60))
        (tmp_path / "stack.made").mkdir()

    obstacle = asyncio.create_task(put_in_the_way())
    line = await _refusal(tmp_path)
    await obstacle
    assert line.startswith("the stack cannot start: Is a directory")


async def test_a_first_start_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    cluster = tmp_path / "postgres" / "data" / "PG_VERSION"
    starting = asyncio.create_task(EmbeddedStack(tmp_path).__aenter__())
    assert await came_true(cluster.exists, within=timedelta(seconds=60))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert _names(tmp_path) == _KEPT_BY_A_FAILED_START
    assert not _command_lines_naming(tmp_path)


async def test_addresses_of_a_stack_that_does_not_run_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="is not running"):
        _ = EmbeddedStack(tmp_path).addresses


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def whole_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that a first start made, and that no stack uses."""
    root = tmp_path_factory.mktemp("whole")
    async with EmbeddedStack(root):
        pass
    return root


@contextmanager
def _starting(data_dir: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process, which starts a stack."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", _START, data_dir], env=environment) as parent:
        yield parent


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


async def _refusal(data_dir: Path, *, ports: StackPorts | None = None) -> str:
    with pytest.raises(StackError) as caught:
        async with EmbeddedStack(data_dir, ports=ports or StackPorts()):
            pass
    assert caught.value.__context__ is None
    line = str(caught.value)
    assert "\n" not in line
    return line


async def _store_everywhere(addresses: StackAddresses) -> str:
    client = await nats.connect(addresses.nats_url)
    await client.jetstream().add_stream(name="KEPT", subjects=["kept"])
    await client.jetstream().publish("kept", b"kept")
    await client.close()
    connection = await asyncpg.connect(addresses.postgres_admin_dsn, timeout=10)
    await connection.execute("CREATE TABLE kept AS SELECT 'kept' AS word")
    await connection.close()
    await _bao(addresses, "admin", "transit/keys/tenant_kept", {"type": "aes256-gcm96"})
    made = await _bao(addresses, "ingest", "transit/encrypt/tenant_kept", {"plaintext": _PLAINTEXT})
    ciphertext: str = made["ciphertext"]
    return ciphertext


async def _find_everywhere(addresses: StackAddresses, ciphertext: str) -> None:
    client = await nats.connect(addresses.nats_url)
    assert (await client.jetstream().get_msg("KEPT", 1)).data == b"kept"
    await client.close()
    connection = await asyncpg.connect(addresses.postgres_admin_dsn, timeout=10)
    assert await connection.fetchval("SELECT word FROM kept") == "kept"
    await connection.close()
    path = "transit/decrypt/tenant_kept"
    opened = await _bao(addresses, "reader", path, {"ciphertext": ciphertext})
    assert opened["plaintext"] == _PLAINTEXT


async def _bao(
    addresses: StackAddresses, role: str, path: str, body: dict[str, str]
) -> dict[str, str]:
    approle = getattr(addresses, f"{role}_approle")
    login = {"role_id": approle.role_id, "secret_id": approle.secret_id_file.read_text()}
    async with httpx.AsyncClient(base_url=addresses.openbao_url, trust_env=False) as client:
        answer = await client.post("/v1/auth/approle/login", json=login)
        token = answer.raise_for_status().json()["auth"]["client_token"]
        answer = await client.post(f"/v1/{path}", json=body, headers={"X-Vault-Token": token})
        data: dict[str, str] = answer.raise_for_status().json()["data"]
        return data


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _command_lines_naming(path: Path) -> list[bytes]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(path) in line:
                found.append(line)
    return found
