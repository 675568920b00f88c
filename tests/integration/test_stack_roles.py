"""What the three roles of the embedded OpenBao may do, and what they may not."""

import base64
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest_asyncio
from attrs import frozen

from snapshot_ingest.stack import AppRole, EmbeddedStack

_PLAINTEXT = base64.b64encode(b"set name=shed-ap-03").decode()


class Session:
    """A login at OpenBao that answers with status codes."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self.client = client
        self._headers = {"X-Vault-Token": token}

    async def call(self, method: str, path: str, **body: object) -> httpx.Response:
        return await self.client.request(
            method, f"/v1/{path}", headers=self._headers, json=body or None
        )

    async def status(self, method: str, path: str, **body: object) -> int:
        return (await self.call(method, path, **body)).status_code


@frozen
class Roles:
    ingest: Session
    reader: Session
    admin: Session
    tenant_key: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def roles(stack: EmbeddedStack) -> AsyncIterator[Roles]:
    """The three logins, a tenant's key, and the keys of our own."""
    addresses = stack.addresses
    async with httpx.AsyncClient(base_url=addresses.openbao_url, trust_env=False) as client:
        admin = await _login(client, addresses.admin_approle)
        tenant_key = f"tenant_{uuid4()}"
        for key in (tenant_key, "snapshot_ingest_quarantine", "snapshot_ingest_waiting"):
            made = await admin.call("POST", f"transit/keys/{key}", type="aes256-gcm96")
            assert made.is_success
        yield Roles(
            ingest=await _login(client, addresses.ingest_approle),
            reader=await _login(client, addresses.reader_approle),
            admin=admin,
            tenant_key=tenant_key,
        )


async def _login(client: httpx.AsyncClient, role: AppRole) -> Session:
    answer = await client.post(
        "/v1/auth/approle/login",
        json={"role_id": role.role_id, "secret_id": role.secret_id_file.read_text()},
    )
    auth = answer.raise_for_status().json()["auth"]
    assert set(auth["token_policies"]) == {"default", role.role_id}
    return Session(client, auth["client_token"])


async def _ciphertext(session: Session, key: str) -> str:
    answer = await session.call("POST", f"transit/encrypt/{key}", plaintext=_PLAINTEXT)
    ciphertext: str = answer.raise_for_status().json()["data"]["ciphertext"]
    return ciphertext


async def test_what_ingest_encrypts_the_reader_decrypts(roles: Roles) -> None:
    for key in (roles.tenant_key, "snapshot_ingest_quarantine"):
        ciphertext = await _ciphertext(roles.ingest, key)
        answer = await roles.reader.call("POST", f"transit/decrypt/{key}", ciphertext=ciphertext)
        assert answer.json()["data"]["plaintext"] == _PLAINTEXT


async def test_ingest_opens_what_still_waits_and_nothing_else(roles: Roles) -> None:
    waiting = await _ciphertext(roles.ingest, "snapshot_ingest_waiting")
    path = "transit/decrypt/snapshot_ingest_waiting"
    assert await roles.ingest.status("POST", path, ciphertext=waiting) == 200
    for key in (roles.tenant_key, "snapshot_ingest_quarantine"):
        ciphertext = await _ciphertext(roles.ingest, key)
        path = f"transit/decrypt/{key}"
        assert await roles.ingest.status("POST", path, ciphertext=ciphertext) == 403


async def test_ingest_cannot_make_read_or_use_keys_otherwise(roles: Roles) -> None:
    unknown = f"tenant_{uuid4()}"
    refused = await roles.ingest.status("POST", f"transit/encrypt/{unknown}", plaintext=_PLAINTEXT)
    assert refused == 403
    assert await roles.admin.status("GET", f"transit/keys/{unknown}") == 404
    for method, path in (
        ("POST", f"transit/keys/{unknown}"),
        ("GET", f"transit/keys/{roles.tenant_key}"),
        ("LIST", "transit/keys"),
        ("POST", f"transit/keys/{roles.tenant_key}/rotate"),
        ("POST", f"transit/datakey/plaintext/{roles.tenant_key}"),
        ("GET", f"transit/export/encryption-key/{roles.tenant_key}"),
        ("GET", "sys/policies/acl/snapshot-ingest-ingest"),
    ):
        assert await roles.ingest.status(method, path) == 403, path


async def test_the_reader_cannot_encrypt_make_keys_or_open_what_waits(roles: Roles) -> None:
    path = f"transit/encrypt/{roles.tenant_key}"
    assert await roles.reader.status("POST", path, plaintext=_PLAINTEXT) == 403
    waiting = await _ciphertext(roles.ingest, "snapshot_ingest_waiting")
    path = "transit/decrypt/snapshot_ingest_waiting"
    assert await roles.reader.status("POST", path, ciphertext=waiting) == 403
    assert await roles.reader.status("POST", f"transit/keys/tenant_{uuid4()}") == 403


async def test_the_admin_keeps_keys_and_sees_no_content(roles: Roles) -> None:
    key = roles.tenant_key
    assert await roles.admin.status("POST", f"transit/keys/{key}/rotate") == 200
    assert (await roles.admin.call("GET", f"transit/keys/{key}")).json()["data"]["type"]
    assert key in (await roles.admin.call("LIST", "transit/keys")).json()["data"]["keys"]
    ciphertext = await _ciphertext(roles.ingest, key)
    path = f"transit/encrypt/{key}"
    assert await roles.admin.status("POST", path, plaintext=_PLAINTEXT) == 403
    path = f"transit/decrypt/{key}"
    assert await roles.admin.status("POST", path, ciphertext=ciphertext) == 403


async def test_the_admin_is_not_locked_out_of_policies_and_roles(roles: Roles) -> None:
    policy = 'path "transit/encrypt/*" { capabilities = ["create", "update"] }'
    path = "sys/policies/acl/stack-test"
    assert await roles.admin.status("POST", path, policy=policy) == 204
    path = "auth/approle/role/stack-test"
    assert await roles.admin.status("POST", path, token_policies=["stack-test"]) == 204
    assert await roles.admin.status("POST", f"{path}/secret-id") == 200


async def test_no_policy_makes_a_key_by_encrypting(roles: Roles) -> None:
    policy = 'path "transit/encrypt/*" { capabilities = ["create", "update"] }'
    await roles.admin.call("POST", "sys/policies/acl/stack-upsert", policy=policy)
    path = "auth/approle/role/stack-upsert"
    await roles.admin.call("POST", path, token_policies=["stack-upsert"])
    role = (await roles.admin.call("GET", f"{path}/role-id")).json()["data"]
    secret = (await roles.admin.call("POST", f"{path}/secret-id")).json()["data"]
    login = await roles.admin.call(
        "POST",
        "auth/approle/login",
        role_id=role["role_id"],
        secret_id=secret["secret_id"],
    )
    token = login.json()["auth"]["client_token"]
    careless = Session(roles.admin.client, token)
    unknown = f"tenant_{uuid4()}"
    refused = await careless.status("POST", f"transit/encrypt/{unknown}", plaintext=_PLAINTEXT)
    assert refused == 400
    assert await roles.admin.status("GET", f"transit/keys/{unknown}") == 404


async def test_every_login_is_periodic_and_can_renew_itself(roles: Roles) -> None:
    for session in (roles.ingest, roles.reader, roles.admin):
        token = (await session.call("GET", "auth/token/lookup-self")).json()["data"]
        assert token["period"] == 3_600
        assert await session.status("POST", "auth/token/renew-self") == 200
