"""TLS to a real OpenBao: whom it trusts, what it refuses, and that nothing is sent before."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
from typed_settings import Secret

from snapshot_domain.errors import Misconfigured
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import openbao
from snapshot_ingest.settings import OpenBaoSettings, Settings
from snapshot_ingest.stack import wheels
from snapshot_openbao import TransitCipher
from support.authority import Authority
from support.waiting import until_true

_TOKEN = "root-of-a-server-that-lives-for-one-module"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
async def urls(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> AsyncIterator[Mapping[str, str]]:
    """The addresses of one server, by the certificate that it shows there."""
    folder = tmp_path_factory.mktemp("openbao")
    certificates = {
        "good": authority.issue("127.0.0.1"),
        "expired": authority.issue("127.0.0.1", expired=True),
        "other-host": authority.issue("elsewhere.example", "127.0.0.2"),
        "foreign": Authority(folder).issue("127.0.0.1"),
    }
    ports = dict(zip(["plain", *certificates], _free_ports(1 + len(certificates)), strict=True))
    (folder / "tls.hcl").write_text(
        "\n".join(
            f'listener "tcp" {{\n  address = "127.0.0.1:{ports[name]}"\n'
            f'  tls_cert_file = "{pair.cert_file}"\n  tls_key_file = "{pair.key_file}"\n}}'
            for name, pair in certificates.items()
        )
    )
    server = await asyncio.create_subprocess_exec(
        wheels.locate(wheels.OPENBAO),
        "server",
        "-dev",
        "-dev-no-store-token",
        f"-dev-root-token-id={_TOKEN}",
        f"-dev-listen-address=127.0.0.1:{ports['plain']}",
        f"-config={folder}/tls.hcl",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={"HOME": str(folder)},
    )
    try:
        await _prepare(f"http://127.0.0.1:{ports['plain']}")
        yield {name: f"https://127.0.0.1:{port}" for name, port in ports.items()}
    finally:
        server.terminate()
        async with asyncio.timeout(20):
            await server.wait()


def _free_ports(count: int) -> list[int]:
    bound = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in bound]
    for one in bound:
        one.close()
    return ports


async def _prepare(url: str) -> None:
    headers = {"X-Vault-Token": _TOKEN}
    async with httpx.AsyncClient(base_url=f"{url}/v1", trust_env=False, headers=headers) as client:

        async def is_ready() -> bool:
            try:
                return (await client.get("/sys/health")).status_code == 200
            except httpx.TransportError:
                return False

        await until_true(is_ready)
        (await client.post("/sys/mounts/transit", json={"type": "transit"})).raise_for_status()
        key = "/transit/keys/snapshot_ingest_canary"
        (await client.post(key, json={"type": "aes256-gcm96"})).raise_for_status()


async def check(url: str, ca_file: Path | None) -> None:
    settings = OpenBaoSettings(url=url, ca_file=ca_file, token=Secret(_TOKEN))
    clock = SystemClock()
    async with openbao("openbao", settings, Settings(openbao=settings), clock) as bao:
        await TransitCipher(bao, clock).check()


async def refusal(url: str, ca_file: Path | None) -> str:
    """What an operator is told, which holds no secret and drags nothing along."""
    with pytest.raises(Misconfigured) as raised:
        await check(url, ca_file)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert _TOKEN not in str(raised.value)
    return str(raised.value)


async def test_a_certificate_of_the_ca_for_this_host_is_trusted(
    urls: Mapping[str, str], authority: Authority
) -> None:
    await check(urls["good"], authority.ca_file)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("expired", "certificate has expired"),
        ("foreign", "certificate is not trusted"),
        ("other-host", "certificate is for another host"),
        ("plain", "does not speak like OpenBao"),
    ],
)
async def test_what_cannot_be_trusted_is_misconfigured(
    urls: Mapping[str, str], authority: Authority, name: str, line: str
) -> None:
    assert line in await refusal(urls[name], authority.ca_file)


async def test_a_private_ca_is_not_trusted_unless_it_is_configured(
    urls: Mapping[str, str],
) -> None:
    assert "certificate is not trusted" in await refusal(urls["good"], None)


async def test_a_ca_file_that_is_replaced_counts_from_the_next_connection_on(
    urls: Mapping[str, str], authority: Authority, tmp_path: Path
) -> None:
    ca_file = Authority(tmp_path).ca_file
    settings = OpenBaoSettings(url=urls["good"], ca_file=ca_file, token=Secret(_TOKEN))
    clock = SystemClock()
    async with openbao("openbao", settings, Settings(openbao=settings), clock) as bao:
        cipher = TransitCipher(bao, clock)
        with pytest.raises(Misconfigured, match="certificate is not trusted"):
            await cipher.check()
        ca_file.write_text(authority.pem)
        await cipher.check()


async def test_a_ca_file_that_is_not_there_is_misconfigured(
    urls: Mapping[str, str], tmp_path: Path
) -> None:
    assert "CA file for OpenBao cannot be read" in await refusal(urls["good"], tmp_path / "none")


async def test_a_server_in_clear_behind_https_is_told_no_token(authority: Authority) -> None:
    heard = bytearray()

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(4096))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(pretend, "127.0.0.1", 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        await refusal(f"https://127.0.0.1:{port}", authority.ca_file)
    assert heard
    assert _TOKEN.encode() not in heard
