"""The three servers of the embedded stack, seen from their clients."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import nats
import pytest
import pytest_asyncio
from nats.js.api import StorageType, StreamConfig

from snapshot_ingest.stack import EmbeddedStack, ServerName

_LOOPBACK = {"0100007F"}
_LISTENING = "0A"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """A stack that tests may kill, without harm to those that share `stack`."""
    async with EmbeddedStack(tmp_path_factory.mktemp("own_stack")) as running:
        yield running


async def test_nats_keeps_messages_in_a_stream(stack: EmbeddedStack) -> None:
    client = await nats.connect(stack.addresses.nats_url)
    try:
        jetstream = client.jetstream()
        await jetstream.add_stream(name="STACK_KEEPS", subjects=["stack.keeps"])
        sent = await jetstream.publish("stack.keeps", b"kept")
        found = await jetstream.get_msg("STACK_KEEPS", sent.seq)
        assert found.data == b"kept"
    finally:
        await client.close()


async def test_nats_greets_with_its_default_limit_of_one_mebibyte(stack: EmbeddedStack) -> None:
    client = await nats.connect(stack.addresses.nats_url)
    try:
        assert client.max_payload == 1_048_576
    finally:
        await client.close()


async def test_postgres_18_serves_the_backends_database_durably(stack: EmbeddedStack) -> None:
    connection = await asyncpg.connect(stack.addresses.postgres_admin_dsn, timeout=10)
    try:
        assert connection.get_server_version().major == 18
        assert await connection.fetchval("SELECT current_database()") == "backend"
        settings = {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "log_statement": "none",
            "password_encryption": "scram-sha-256",
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "server_encoding": "UTF8",
        }
        for name, value in settings.items():
            assert await connection.fetchval("SELECT current_setting($1)", name) == value, name
        methods = await connection.fetch("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        assert [row["auth_method"] for row in methods] == ["scram-sha-256"]
    finally:
        await connection.close()


async def test_postgres_refuses_a_wrong_password(stack: EmbeddedStack) -> None:
    address = stack.addresses.postgres_admin_dsn.rpartition("@")[2]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://postgres:wrong@{address}", timeout=10)


async def test_openbao_is_unsealed_and_audited(stack: EmbeddedStack) -> None:
    async with httpx.AsyncClient(base_url=stack.addresses.openbao_url, trust_env=False) as client:
        health = (await client.get("/v1/sys/health")).json()
        assert (health["initialized"], health["sealed"], health["standby"]) == (True, False, False)
        await client.get("/v1/sys/mounts", headers={"X-Vault-Token": "nobody"})
    # Other tests' requests are in it too, with whatever bytes they sent.
    lines = stack.addresses.openbao_audit_log.read_bytes().split(b"\n")
    entries = [json.loads(line) for line in lines if b'"sys/mounts"' in line]
    assert "sys/mounts" in {entry["request"]["path"] for entry in entries}


async def test_every_port_is_open_on_loopback_only(stack: EmbeddedStack) -> None:
    pids = stack.addresses.pids
    for pid in (pids.nats, pids.postgres, pids.openbao):
        assert set(_listening_hosts(pid)) == _LOOPBACK


@pytest.mark.parametrize("name", ["nats", "postgres", "openbao"])
@pytest.mark.parametrize("ending", ["killed", "restarted"])
async def test_a_server_comes_back_on_its_port_with_its_data(
    own_stack: EmbeddedStack, name: ServerName, ending: str
) -> None:
    before = own_stack.addresses
    kept = f"kept_{name}_{ending}"
    await _keep(own_stack, kept)
    if ending == "killed":
        await own_stack.kill(name)
        await own_stack.start(name)
    else:
        await own_stack.restart(name)
    after = own_stack.addresses
    assert getattr(after.pids, name) != getattr(before.pids, name)
    assert (after.nats_url, after.openbao_url) == (before.nats_url, before.openbao_url)
    assert after.postgres_admin_dsn == before.postgres_admin_dsn
    assert await _is_kept(own_stack, kept)


async def _keep(stack: EmbeddedStack, name: str) -> None:
    client = await nats.connect(stack.addresses.nats_url)
    connection = await asyncpg.connect(stack.addresses.postgres_admin_dsn, timeout=10)
    try:
        await client.jetstream().add_stream(
            StreamConfig(name=name, subjects=[name], storage=StorageType.FILE)
        )
        await client.jetstream().publish(name, b"kept")
        await connection.execute(f"CREATE TABLE {name} AS SELECT 1 AS kept")
    finally:
        await client.close()
        await connection.close()


async def _is_kept(stack: EmbeddedStack, name: str) -> bool:
    client = await nats.connect(stack.addresses.nats_url)
    connection = await asyncpg.connect(stack.addresses.postgres_admin_dsn, timeout=10)
    try:
        message = await client.jetstream().get_msg(name, 1)
        row = await connection.fetchval(f"SELECT kept FROM {name}")
        health = await _health_status(stack)
        return (message.data, row, health) == (b"kept", 1, 200)
    finally:
        await client.close()
        await connection.close()


async def _health_status(stack: EmbeddedStack) -> int:
    async with httpx.AsyncClient(base_url=stack.addresses.openbao_url, trust_env=False) as client:
        return (await client.get("/v1/sys/health")).status_code


def _listening_hosts(pid: int) -> Iterator[str]:
    """Yields the address, as the kernel writes it, of each socket that the process listens on."""
    inodes = set(_socket_inodes(pid))
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and fields[9] in inodes:
                yield fields[1].partition(":")[0]


def _socket_inodes(pid: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                yield target.removeprefix("socket:[").removesuffix("]")
