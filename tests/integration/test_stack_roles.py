"""What each role at OpenBao may do, and what it may not."""

import base64
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from attrs import frozen

from snapshot_ingest.stack import AppRole, EmbeddedStack
from support.deploy import openbao_policy

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
    """`keeper` has the shipped policy of the admin alone; the stack's admin may do more."""

    ingest: Session
    reader: Session
    operator: Session
    keeper: Session
    admin: Session
    tenant_key: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def roles(stack: EmbeddedStack) -> AsyncIterator[Roles]:
    """The logins, a tenant's key, and the keys of our own."""
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
            operator=await _login(client, addresses.operator_approle),
            keeper=await _with_policy(admin, openbao_policy("admin")),
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


async def _with_policy(admin: Session, policy: str) -> Session:
    """A login of a role of its own that has this policy and the default one."""
    name = f"test-{uuid4()}"
    await admin.call("POST", f"sys/policies/acl/{name}", policy=policy)
    path = f"auth/approle/role/{name}"
    await admin.call("POST", path, token_policies=[name])
    role = (await admin.call("GET", f"{path}/role-id")).json()["data"]
    secret = (await admin.call("POST", f"{path}/secret-id")).json()["data"]
    login = await admin.call(
        "POST",
        "auth/approle/login",
        role_id=role["role_id"],
        secret_id=secret["secret_id"],
    )
    return Session(admin.client, login.json()["auth"]["client_token"])


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
    careless = await _with_policy(roles.admin, policy)
    unknown = f"tenant_{uuid4()}"
    refused = await careless.status("POST", f"transit/encrypt/{unknown}", plaintext=_PLAINTEXT)
    assert refused == 400
    assert await roles.admin.status("GET", f"transit/keys/{unknown}") == 404


async def test_every_login_is_periodic_and_can_renew_itself(roles: Roles) -> None:
    for session in (roles.ingest, roles.reader, roles.operator, roles.admin):
        token = (await session.call("GET", "auth/token/lookup-self")).json()["data"]
        assert token["period"] == 3_600
        assert await session.status("POST", "auth/token/renew-self") == 200


async def test_the_operator_rewraps_and_looks_at_keys(roles: Roles) -> None:
    key = roles.tenant_key
    ciphertext = await _ciphertext(roles.ingest, key)
    path = f"transit/rewrap/{key}"
    assert await roles.operator.status("POST", path, ciphertext=ciphertext) == 200
    assert await roles.operator.status("GET", f"transit/keys/{key}") == 200


async def test_the_keeper_of_keys_makes_freezes_restores_and_deletes_a_tenants(
    roles: Roles,
) -> None:
    key = f"transit/keys/tenant_{uuid4()}"
    keeper = roles.keeper
    assert await keeper.status("POST", key, type="aes256-gcm96") == 200
    assert await keeper.status("POST", "transit/keys/snapshot_ingest_canary") == 200
    assert await keeper.status("POST", f"{key}/rotate") == 200
    assert await keeper.status("DELETE", f"{key}/soft-delete") == 200
    assert await keeper.status("POST", f"{key}/soft-delete-restore") == 200
    assert await keeper.status("DELETE", key) == 400
    assert await keeper.status("POST", f"{key}/config", deletion_allowed=True) == 200
    assert await keeper.status("DELETE", key) == 204
    assert await keeper.status("GET", key) == 404


@pytest.mark.parametrize("own", ["quarantine", "waiting"])
async def test_nobody_deletes_a_key_of_our_own(roles: Roles, own: str) -> None:
    path = f"transit/keys/snapshot_ingest_{own}"
    for session in (roles.ingest, roles.reader, roles.operator, roles.keeper, roles.admin):
        assert await session.status("DELETE", path) == 403
        assert await session.status("DELETE", f"{path}/soft-delete") == 403
    assert (await roles.admin.call("GET", path)).json()["data"]["soft_deleted"] is False


@pytest.mark.parametrize("name", ["ingest", "reader", "operator", "keeper"])
async def test_a_role_is_refused_what_is_not_its_own(roles: Roles, name: str) -> None:
    """Each call is tried by all; whose it is, is written beside it."""
    key = roles.tenant_key
    ciphertext = await _ciphertext(roles.ingest, key)
    calls: list[tuple[str, str, dict[str, object], set[str]]] = [
        ("POST", f"transit/encrypt/{key}", {"plaintext": _PLAINTEXT}, {"ingest"}),
        ("POST", f"transit/decrypt/{key}", {"ciphertext": ciphertext}, {"reader"}),
        ("POST", f"transit/rewrap/{key}", {"ciphertext": ciphertext}, {"operator"}),
        ("GET", f"transit/keys/{key}", {}, {"operator", "keeper"}),
        ("POST", f"transit/keys/{key}/rotate", {}, {"keeper"}),
        ("POST", f"transit/keys/{key}/config", {"min_decryption_version": 1}, {"keeper"}),
        ("DELETE", f"transit/keys/{key}", {}, {"keeper"}),
        ("POST", f"transit/keys/{key}/soft-delete-restore", {}, {"keeper"}),
        ("POST", f"transit/keys/tenant_{uuid4()}", {}, {"keeper"}),
        ("LIST", "transit/keys", {}, set()),
        ("POST", f"transit/hmac/{key}/sha2-256", {"input": _PLAINTEXT}, set()),
        ("POST", f"transit/datakey/plaintext/{key}", {}, set()),
        ("POST", f"transit/datakey/wrapped/{key}", {}, set()),
        ("GET", f"transit/export/encryption-key/{key}", {}, set()),
        ("GET", f"transit/backup/{key}", {}, set()),
        ("POST", "transit/config/keys", {"disable_upsert": False}, set()),
        ("POST", "transit/encrypt/elsewhere", {"plaintext": _PLAINTEXT}, set()),
        ("GET", "sys/policies/acl/snapshot-ingest-ingest", {}, set()),
        ("POST", "sys/policies/acl/snapshot-ingest-ingest", {"policy": ""}, set()),
        ("GET", "sys/mounts", {}, set()),
        ("GET", "sys/raw/core/keyring", {}, set()),
        ("POST", "sys/seal", {}, set()),
        ("GET", "sys/storage/raft/snapshot", {}, set()),
        ("POST", "auth/token/create", {}, set()),
        ("POST", "auth/approle/role/snapshot-ingest-ingest/secret-id", {}, set()),
    ]
    session: Session = getattr(roles, name)
    for method, path, body, whose in calls:
        status = await session.status(method, path, **body)
        assert (status != 403) is (name in whose), (method, path, status)
