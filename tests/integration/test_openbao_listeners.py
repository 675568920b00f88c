"""OpenBao behind listeners of its own: with a lower limit than usual, and with TLS."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import trustme
from attrs import frozen

from snapshot_domain.errors import Misconfigured, Refused
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports import CipherItem, TenantKey
from snapshot_domain.secret import Configuration
from snapshot_ingest.stack import wheels
from snapshot_openbao import Address, OpenBao, SecretText, TokenLogin, TransitCipher, TransitKeys
from support.clock import MovableClock

_TOKEN = "root-of-a-server-that-lives-for-one-test"
_LIMIT_BYTES = 65_536


@frozen
class Listeners:
    """Where one server listens in three ways."""

    plain_url: str
    narrow_url: str
    tls_url: str
    ca_file: Path


@pytest.fixture(scope="module")
async def listeners(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Listeners]:
    folder = tmp_path_factory.mktemp("listeners")
    ca = trustme.CA()
    certificate = ca.issue_cert("127.0.0.1")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    plain, narrow, tls = _free_ports(3)
    (folder / "extra.hcl").write_text(f"""
listener "tcp" {{
  address          = "127.0.0.1:{narrow}"
  tls_disable      = true
  max_request_size = {_LIMIT_BYTES}
}}
listener "tcp" {{
  address       = "127.0.0.1:{tls}"
  tls_cert_file = "{folder}/cert.pem"
  tls_key_file  = "{folder}/key.pem"
}}
""")
    server = await asyncio.create_subprocess_exec(
        wheels.locate(wheels.OPENBAO),
        "server",
        "-dev",
        "-dev-no-store-token",
        f"-dev-root-token-id={_TOKEN}",
        f"-dev-listen-address=127.0.0.1:{plain}",
        f"-config={folder}/extra.hcl",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={"HOME": str(folder)},
    )
    try:
        found = Listeners(
            plain_url=f"http://127.0.0.1:{plain}",
            narrow_url=f"http://127.0.0.1:{narrow}",
            tls_url=f"https://127.0.0.1:{tls}",
            ca_file=folder / "ca.pem",
        )
        await _mount_transit(found.plain_url)
        yield found
    finally:
        server.terminate()
        async with asyncio.timeout(20):
            await server.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in bound:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in bound]


async def _mount_transit(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        async with asyncio.timeout(30):
            while not await _is_ready(client):
                await asyncio.sleep(0.05)
        answer = await client.post(
            "/v1/sys/mounts/transit", json={"type": "transit"}, headers={"X-Vault-Token": _TOKEN}
        )
        answer.raise_for_status()


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/v1/sys/health")).status_code == 200
    except httpx.TransportError:
        return False


def _connection(address: Address) -> OpenBao:
    return OpenBao(address, TokenLogin(SecretText(_TOKEN)), MovableClock())


async def test_a_batch_that_the_server_refuses_is_split_until_the_one_item_is_found(
    listeners: Listeners,
) -> None:
    tenant = TenantId(uuid4())
    async with _connection(Address(listeners.narrow_url)) as openbao:
        await TransitKeys(openbao).ensure_tenant_key(tenant)
        texts = [os.urandom(5_000) for _ in range(40)]
        texts[17] = os.urandom(_LIMIT_BYTES)
        items = [CipherItem(TenantKey(tenant), Configuration(text)) for text in texts]
        answers = await TransitCipher(openbao, MovableClock()).encrypt(items)
    kinds = [type(answer) for answer in answers]
    assert kinds == [Ciphertext] * 17 + [Refused] + [Ciphertext] * 22


async def test_a_certificate_of_the_configured_ca_is_trusted(listeners: Listeners) -> None:
    async with _connection(Address(listeners.tls_url, ca_file=listeners.ca_file)) as openbao:
        await TransitKeys(openbao).ensure_own_keys()
        await TransitCipher(openbao, MovableClock()).check()


async def test_a_certificate_that_nobody_vouches_for_is_misconfigured(
    listeners: Listeners, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_ca = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other_ca)
    # What the environment trusts does not count.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(listeners.ca_file))
    monkeypatch.setenv("VAULT_CACERT", str(listeners.ca_file))
    for ca_file in (other_ca, None):
        async with _connection(Address(listeners.tls_url, ca_file=ca_file)) as openbao:
            with pytest.raises(Misconfigured, match="certificate is not trusted"):
                await TransitCipher(openbao, MovableClock()).check()


async def test_a_ca_file_that_is_not_there_is_misconfigured(
    listeners: Listeners, tmp_path: Path
) -> None:
    address = Address(listeners.tls_url, ca_file=tmp_path / "none.pem")
    async with _connection(address) as openbao:
        with pytest.raises(Misconfigured, match="CA file"):
            await TransitCipher(openbao, MovableClock()).check()


async def test_http_in_place_of_https_is_misconfigured_and_refuses_no_item(
    listeners: Listeners,
) -> None:
    address = Address(listeners.tls_url.replace("https:", "http:"))
    async with _connection(address) as openbao:
        item = CipherItem(TenantKey(TenantId(uuid4())), Configuration(b"/system identity"))
        [answer] = await TransitCipher(openbao, MovableClock()).encrypt([item])
    assert isinstance(answer, Misconfigured)
