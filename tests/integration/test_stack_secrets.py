"""Where the embedded stack's secrets are, and where neither they nor a message may be."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from signal import Signals

import asyncpg
import httpx
import nats

from snapshot_ingest.stack import AppRole, EmbeddedStack, wheels
from snapshot_ingest.stack.directory import StackDirectory
from snapshot_ingest.stack.nats import NatsServer, nats_config
from snapshot_ingest.stack.ports import FREE_PORTS, ReservedPorts
from snapshot_ingest.stack.process import Command, ServerProcess
from support.proc import command_lines

_CANARY = b"canary-7d1f-set-password=hunter2-not-at-rest"


async def test_secret_files_are_their_owners_alone(stack: EmbeddedStack) -> None:
    files = list(_secrets_folder(stack).iterdir())
    assert len(files) == 11
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(_secrets_folder(stack).stat().st_mode) == 0o700


async def test_secret_ids_are_random_and_end_without_a_newline(stack: EmbeddedStack) -> None:
    texts = {role.secret_id_file.read_text() for role in _app_roles(stack)}
    assert len(texts) == 4
    assert all(text == text.strip() and len(text) >= 40 for text in texts)


async def test_no_secret_is_on_any_command_line(stack: EmbeddedStack) -> None:
    secrets = _secrets(stack)
    assert not _found(secrets, iter(command_lines()))
    planted = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", secrets[0], stdin=subprocess.PIPE
    )
    try:
        assert _found(secrets, iter(command_lines())) == {secrets[0]}
    finally:
        await planted.communicate(b"\n")


async def test_no_secret_is_in_a_log_or_in_a_servers_own_folder(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    # Use every secret once, so that a server that writes down what it is given has done so.
    connection = await asyncpg.connect(stack.addresses.postgres_admin_dsn, timeout=10)
    await connection.close()
    for role in _app_roles(stack):
        await _log_in(stack.addresses.openbao_url, role)
    secrets = _secrets(stack)
    root = stack.addresses.nats_store.parent.parent
    searched = [path for path in _files(root) if path.parent != _secrets_folder(stack)]
    assert stack.addresses.openbao_audit_log in searched
    assert not _found(secrets, (path.read_bytes() for path in searched))
    planted = tmp_path / "planted.log"
    planted.write_bytes(b"password=" + secrets[0])
    assert _found(secrets, (path.read_bytes() for path in (*searched, planted))) == {secrets[0]}


async def test_the_administrators_passwords_are_in_no_repr(stack: EmbeddedStack) -> None:
    addresses = stack.addresses
    for address, user in (
        (addresses.postgres_admin_dsn, "postgres"),
        (addresses.nats_url, "admin"),
    ):
        password = address.partition(f"{user}:")[2].partition("@")[0]
        assert len(password) >= 40
        assert password not in repr(addresses)
        assert password not in repr(vars(stack))


async def test_a_message_is_in_no_file_of_the_encrypted_store(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    await _publish(stack.addresses.nats_url, _CANARY)
    assert not _found([_CANARY], _contents(stack.addresses.nats_store))
    store = tmp_path / "store"
    await _publish_to_a_server_without_a_cipher(store, tmp_path)
    assert _found([_CANARY], _contents(store)) == {_CANARY}


async def _publish(url: str, body: bytes) -> None:
    client = await nats.connect(url)
    jetstream = client.jetstream()
    await jetstream.add_stream(name="STACK_CANARY", subjects=["stack.canary"])
    await jetstream.publish("stack.canary", body)
    await client.close()


async def _publish_to_a_server_without_a_cipher(store: Path, folder: Path) -> None:
    with ReservedPorts(FREE_PORTS) as ports:
        encrypted = nats_config(ports.nats, store, folder / "key.conf", folder / "users.conf")
        plain = [line for line in encrypted.splitlines() if "cipher" not in line]
        plain = [line for line in plain if "include" not in line]
        config = folder / "plain.conf"
        config.write_text("\n".join(plain))
        program = wheels.locate(wheels.NATS_SERVER)
        server = NatsServer(program, StackDirectory(folder), ports.nats)
        with (folder / "held").open("w") as held:
            process = ServerProcess(
                Command(
                    name="nats-server",
                    argv=(str(program), "--config", str(config)),
                    log_file=folder / "plain.log",
                    stop=Signals.SIGTERM,
                    orphan=Signals.SIGKILL,
                ),
                kept_open=held.fileno(),
            )
        try:
            await process.wait_until_ready(server.is_ready, within=timedelta(seconds=30))
            await _publish(server.url, _CANARY)
        finally:
            await process.stop()


def _app_roles(stack: EmbeddedStack) -> tuple[AppRole, ...]:
    addresses = stack.addresses
    return (
        addresses.ingest_approle,
        addresses.reader_approle,
        addresses.operator_approle,
        addresses.admin_approle,
    )


async def _log_in(url: str, role: AppRole) -> None:
    body = {"role_id": role.role_id, "secret_id": role.secret_id_file.read_text()}
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        (await client.post("/v1/auth/approle/login", json=body)).raise_for_status()


def _secrets_folder(stack: EmbeddedStack) -> Path:
    return stack.addresses.ingest_approle.secret_id_file.parent


def _secrets(stack: EmbeddedStack) -> list[bytes]:
    """What the secret files hold; of the stream's key the digits alone."""
    contents = [path.read_bytes() for path in sorted(_secrets_folder(stack).iterdir())]
    return [each.removeprefix(b'key: "').removesuffix(b'"\n') for each in contents]


def _found(needles: list[bytes], haystacks: Iterator[bytes]) -> set[bytes]:
    return {needle for hay in haystacks for needle in needles if needle in hay}


def _contents(folder: Path) -> Iterator[bytes]:
    return (path.read_bytes() for path in _files(folder))


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from (Path(folder) / name for name in names)
