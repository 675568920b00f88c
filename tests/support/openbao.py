"""OpenBao around the adapter, as an administrator sees it: keys, roles, the audit log."""

import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from snapshot_domain.model import Ciphertext, DataKeyId, TenantId, WrappedKey
from snapshot_domain.ports.cipher import KeyReference, OwnKey, TenantKey
from snapshot_ingest.stack import AppRole, EmbeddedStack
from snapshot_openbao import AppRoleLogin, SecretFile, SecretText

ENCRYPT_ALL = (
    'path "transit/encrypt/tenant_*" { capabilities = ["update"] }\n'
    'path "transit/encrypt/snapshot_ingest_*" { capabilities = ["update"] }'
)
DECRYPT_ALL = 'path "transit/decrypt/*" { capabilities = ["update"] }'
_EVERYTHING = (
    'path "*" { capabilities = ["create", "read", "update", "delete", "list", "patch", "sudo"] }'
)


class RawOpenBao:
    """Plain HTTP with a token that may do everything."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self._client = client
        self._token = token

    @classmethod
    @asynccontextmanager
    async def of(cls, stack: EmbeddedStack) -> AsyncIterator[Self]:
        """With the stack's admin role, which grants itself everything, and our own keys made."""
        async with httpx.AsyncClient(
            base_url=stack.addresses.openbao_url, trust_env=False, timeout=30
        ) as client:
            admin = cls(client, await _token(client, stack.addresses.admin_approle))
            await admin.call("POST", "sys/policies/acl/test-everything", policy=_EVERYTHING)
            login = await admin.new_login_of_policies("test-everything")
            everything = cls(client, await admin.token_of(login))
            for key in OwnKey:
                await everything.call("POST", f"transit/keys/{key.value}", type="aes256-gcm96")
            yield everything

    async def request(self, method: str, path: str, /, **body: object) -> httpx.Response:
        """The answer, whatever its status."""
        return await self._client.request(
            method, f"/v1/{path}", headers={"X-Vault-Token": self._token}, json=body or None
        )

    async def call(self, method: str, path: str, /, **body: object) -> dict[str, Any]:
        """What stands under `data` or `auth`; raises if the status is no success."""
        answer = (await self.request(method, path, **body)).raise_for_status()
        if not answer.content:
            return {}
        whole = answer.json()
        found: dict[str, Any] = whole["data"] or whole["auth"] or {}
        return found

    async def new_tenant(self) -> TenantId:
        """A tenant with a key."""
        tenant_id = TenantId(uuid4())
        await self.call("POST", f"transit/keys/tenant_{tenant_id}", type="aes256-gcm96")
        return tenant_id

    async def key_names(self) -> set[str]:
        """The names of all keys."""
        return set((await self.call("LIST", "transit/keys"))["keys"])

    async def new_login(self, policy: str) -> AppRoleLogin:
        """A login of a role of its own with this policy and the default one."""
        name = f"test-{uuid4()}"
        await self.call("POST", f"sys/policies/acl/{name}", policy=policy)
        return await self.new_login_of_policies(name)

    async def new_login_of_policies(self, *policies: str) -> AppRoleLogin:
        """A login of a role of its own with these policies and the default one."""
        path = f"auth/approle/role/test-{uuid4()}"
        await self.call("POST", path, token_policies=list(policies))
        role_id = (await self.call("GET", f"{path}/role-id"))["role_id"]
        secret_id = (await self.call("POST", f"{path}/secret-id"))["secret_id"]
        return AppRoleLogin(role_id, SecretText(secret_id))

    async def token_of(self, login: AppRoleLogin) -> str:
        """A token of the role, made without the adapter."""
        auth = await self.call(
            "POST",
            "auth/approle/login",
            role_id=login.role_id,
            secret_id=login.secret_id.read(),
        )
        token: str = auth["client_token"]
        return token

    async def wrapped(self, method: str, path: str, /) -> str:
        """The wrapping token of what the call answers."""
        answer = await self._client.request(
            method,
            f"/v1/{path}",
            headers={"X-Vault-Token": self._token, "X-Vault-Wrap-TTL": "60"},
        )
        token: str = answer.raise_for_status().json()["wrap_info"]["token"]
        return token

    async def unwrap(self, wrapping: str) -> None:
        """Spends a wrapping token, as somebody does who came before."""
        answer = await self._client.post(
            "/v1/sys/wrapping/unwrap", headers={"X-Vault-Token": wrapping}
        )
        answer.raise_for_status()

    async def revoke_tokens_of_role(self, login: AppRoleLogin) -> int:
        """Revokes every live token of the login's role; returns how many there were."""
        revoked = 0
        for accessor in (await self.call("LIST", "auth/token/accessors"))["keys"]:
            answer = await self.request("POST", "auth/token/lookup-accessor", accessor=accessor)
            if not answer.is_success:
                continue
            meta = answer.json()["data"]["meta"] or {}
            role = await self.request(
                "GET", f"auth/approle/role/{meta.get('role_name', 'none')}/role-id"
            )
            if role.is_success and role.json()["data"]["role_id"] == login.role_id:
                await self.call("POST", "auth/token/revoke-accessor", accessor=accessor)
                revoked += 1
        return revoked

    async def encrypt(self, key: KeyReference, plaintext: bytes) -> Ciphertext:
        """Transit's ciphertext, made around the adapter."""
        answer = await self.call(
            "POST", f"transit/encrypt/{name_of(key)}", plaintext=b64encode(plaintext).decode()
        )
        return Ciphertext(answer["ciphertext"])

    async def decrypt(self, key: KeyReference, ciphertext: Ciphertext) -> bytes:
        """The plaintext of `vault:…`, opened around the adapter."""
        answer = await self.call(
            "POST", f"transit/decrypt/{name_of(key)}", ciphertext=ciphertext.text
        )
        return b64decode(answer["plaintext"])

    async def seal_body(self, key: KeyReference, body: bytes, aad: str) -> Ciphertext:
        """A body as the quarantine keeps it, after the letter of the format."""
        data_key = AESGCM.generate_key(256)
        nonce = b"\x07" * 12
        box = b64encode(nonce + AESGCM(data_key).encrypt(nonce, body, aad.encode("ascii")))
        return Ciphertext(f"si1q:{(await self.encrypt(key, data_key)).text}|{box.decode()}")

    async def seal_enveloped(self, key: TenantKey, text: bytes, bound_to: str) -> Ciphertext:
        """A configuration in the format `envelope`, after its letter."""
        secret, key_id, nonce = AESGCM.generate_key(256), uuid4(), b"\x07" * 12
        aad = f"si1e|{bound_to}|{key_id}".encode("ascii")
        box = nonce + AESGCM(secret).encrypt(nonce, zstandard.compress(text), aad)
        label = f"si1k|{key.tenant_id}|{key_id}|".encode("ascii")
        wrapped = (await self.encrypt(key, label + secret)).text
        return Ciphertext(
            f"si1e:{key_id}:{b64encode(box).decode()}",
            WrappedKey(DataKeyId(key_id), key.tenant_id, wrapped),
        )

    async def open_enveloped(
        self, key: KeyReference, text: str, wrapped_key: str, bound_to: str
    ) -> bytes:
        """A configuration in the format `envelope`, opened after its letter."""
        prefix, key_id, box = text.split(":")
        assert prefix == "si1e"
        unwrapped = await self.decrypt(key, Ciphertext(wrapped_key))
        label, secret = unwrapped[:-32], unwrapped[-32:]
        assert label.startswith(b"si1k|")
        assert label.endswith(f"|{key_id}|".encode("ascii"))
        sealed, aad = b64decode(box, validate=True), f"si1e|{bound_to}|{key_id}".encode("ascii")
        return zstandard.decompress(AESGCM(secret).decrypt(sealed[:12], sealed[12:], aad))

    async def open_compressed(self, key: KeyReference, ciphertext: Ciphertext) -> bytes:
        """A configuration in the format `compressed`, opened after its letter."""
        prefix, _, rest = ciphertext.text.partition(":")
        assert prefix == "si1z"
        return zstandard.decompress(await self.decrypt(key, Ciphertext(rest)))

    async def open_body(self, key: KeyReference, ciphertext: Ciphertext, aad: str) -> bytes:
        """A quarantined body, opened after the letter of the format."""
        prefix, _, rest = ciphertext.text.partition(":")
        assert prefix == "si1q"
        wrapped_key, box = rest.split("|")
        data_key = await self.decrypt(key, Ciphertext(wrapped_key))
        sealed = b64decode(box, validate=True)
        return AESGCM(data_key).decrypt(sealed[:12], sealed[12:], aad.encode("ascii"))


class AuditMark:
    """What the audit log says from here on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start_byte = path.stat().st_size

    def requests(self) -> Counter[str]:
        """How many requests were made to each path since then."""
        with self._path.open("rb") as file:
            file.seek(self._start_byte)
            entries = [json.loads(line) for line in file]
        return Counter(entry["request"]["path"] for entry in entries if entry["type"] == "request")

    def count(self, wanted: Callable[[str], bool]) -> int:
        """How many requests were made to the paths that are wanted."""
        return sum(number for path, number in self.requests().items() if wanted(path))

    @property
    def logins(self) -> int:
        """How many logins there were."""
        return self.requests()["auth/approle/login"]


def name_of(key: KeyReference) -> str:
    """The key's name, said once more without the adapter."""
    return f"tenant_{str(key.tenant_id).lower()}" if isinstance(key, TenantKey) else str(key)


def login_of(role: AppRole) -> AppRoleLogin:
    """The login of one of the stack's roles."""
    return AppRoleLogin(role.role_id, SecretFile(role.secret_id_file))


async def _token(client: httpx.AsyncClient, role: AppRole) -> str:
    answer = await client.post(
        "/v1/auth/approle/login",
        json={"role_id": role.role_id, "secret_id": role.secret_id_file.read_text()},
    )
    token: str = answer.raise_for_status().json()["auth"]["client_token"]
    return token
