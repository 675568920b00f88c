"""Renewal in time, and logins by wrapped secret id, JWT and Kubernetes, at the real OpenBao."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from attrs import frozen

from snapshot_domain.errors import Misconfigured
from snapshot_domain.ports import OwnKey
from snapshot_ingest.stack import EmbeddedStack
from snapshot_openbao import (
    Address,
    AppRoleLogin,
    JwtLogin,
    Login,
    OpenBao,
    SecretFile,
    SecretText,
    TokenLogin,
    TransitCipher,
    WrappedAppRoleLogin,
    WrappedSecretId,
)
from support.authority import Authority
from support.clock import MovableClock
from support.jwts import Issuer
from support.kubernetes import KubernetesApi, claims_of_pod, kubernetes_api
from support.openbao import ENCRYPT_ALL, AuditMark, RawOpenBao
from support.waiting import until

_RENEW = "auth/token/renew-self"
_WAIT_SECONDS = 20


@pytest.fixture(scope="module")
async def raw(stack: EmbeddedStack) -> AsyncIterator[RawOpenBao]:
    async with RawOpenBao.of(stack) as raw:
        await raw.call("POST", "sys/policies/acl/test-encrypt", policy=ENCRYPT_ALL)
        yield raw


@pytest.fixture
def mark(stack: EmbeddedStack, raw: RawOpenBao) -> AuditMark:  # noqa: ARG001 - it comes first
    return AuditMark(stack.addresses.openbao_audit_log)


@asynccontextmanager
async def opened(
    stack: EmbeddedStack, login: Login
) -> AsyncIterator[tuple[OpenBao, TransitCipher]]:
    clock = MovableClock()
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        yield openbao, TransitCipher(openbao, clock)


async def new_role(raw: RawOpenBao, **settings: object) -> AppRoleLogin:
    """A login of a role with these settings, which may encrypt."""
    return await made_role(raw, f"auth/approle/role/test-{uuid4()}", **settings)


async def made_role(raw: RawOpenBao, path: str, **settings: object) -> AppRoleLogin:
    """The same at this path."""
    await raw.call("POST", path, **{"token_policies": ["test-encrypt"], **settings})
    role_id = (await raw.call("GET", f"{path}/role-id"))["role_id"]
    secret_id = (await raw.call("POST", f"{path}/secret-id"))["secret_id"]
    return AppRoleLogin(role_id, SecretText(secret_id))


async def test_a_token_outlives_its_lease_by_renewal_and_without_another_login(
    stack: EmbeddedStack, raw: RawOpenBao, mark: AuditMark
) -> None:
    role = await new_role(raw, token_period="3s", secret_id_num_uses=1)
    async with opened(stack, role) as (openbao, cipher):
        await cipher.check()
        await until(lambda: mark.requests()[_RENEW] >= 3, seconds=_WAIT_SECONDS, every_seconds=0.05)
        await cipher.check()  # 6 s later: without renewal its token would be dead
        assert (openbao.logins, mark.logins) == (1, 1)


async def test_a_lease_that_renewal_cuts_short_is_followed_by_a_login_before_it_ends(
    stack: EmbeddedStack, raw: RawOpenBao, mark: AuditMark
) -> None:
    role = await new_role(raw, token_ttl="3s", token_max_ttl="4s")
    async with opened(stack, role) as (openbao, cipher):
        await cipher.check()
        await until(lambda: openbao.logins == 2, seconds=_WAIT_SECONDS, every_seconds=0.05)
        await cipher.check()
    assert mark.requests()[_RENEW] == 1


async def test_a_token_that_cannot_be_renewed_is_followed_by_a_login(
    stack: EmbeddedStack, raw: RawOpenBao, mark: AuditMark
) -> None:
    role = await new_role(raw, token_type="batch", token_ttl="3s")
    async with opened(stack, role) as (openbao, cipher):
        await cipher.check()
        await until(lambda: openbao.logins == 2, seconds=_WAIT_SECONDS, every_seconds=0.05)
        await cipher.check()
    assert mark.requests()[_RENEW] == 0


async def test_a_role_that_may_not_renew_logs_in_instead(
    stack: EmbeddedStack, raw: RawOpenBao
) -> None:
    role = await new_role(raw, token_period="3s", token_no_default_policy=True)
    async with opened(stack, role) as (openbao, cipher):
        await cipher.check()
        await until(lambda: openbao.logins == 2, seconds=_WAIT_SECONDS, every_seconds=0.05)
        await cipher.check()


async def test_a_token_without_a_successor_is_renewed_also_to_a_shorter_lease(
    stack: EmbeddedStack, raw: RawOpenBao, mark: AuditMark
) -> None:
    path = f"auth/approle/role/test-{uuid4()}"
    role = await made_role(raw, path, token_period="4s", secret_id_num_uses=1)
    async with opened(stack, role) as (openbao, cipher):
        await cipher.check()
        await raw.call("POST", path, token_period="3s")
        await until(lambda: mark.requests()[_RENEW] >= 4, seconds=_WAIT_SECONDS, every_seconds=0.05)
        await cipher.check()  # 8 s later, and no login is possible any more
        assert openbao.logins == 1
        assert mark.logins > 1


async def test_a_server_that_is_away_when_renewal_is_due_costs_no_login(
    stack: EmbeddedStack, raw: RawOpenBao, mark: AuditMark
) -> None:
    role = await new_role(raw, token_period="9s", secret_id_num_uses=1)
    async with opened(stack, role) as (openbao, cipher):
        await cipher.check()
        await stack.stop("openbao")
        try:
            await _someone_calls(stack.addresses.openbao_url)
        finally:
            await stack.start("openbao")
        await until(lambda: mark.requests()[_RENEW] >= 1, seconds=_WAIT_SECONDS, every_seconds=0.05)
        await cipher.check()
        assert openbao.logins == 1


async def _someone_calls(url: str) -> None:
    """Returns when somebody has connected to the address, where nobody answers."""
    called = asyncio.Event()

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        called.set()

    address = urlsplit(url)
    async with await asyncio.start_server(hang_up, address.hostname, address.port):
        await asyncio.wait_for(called.wait(), _WAIT_SECONDS)


async def test_a_given_token_is_renewed_as_well(
    stack: EmbeddedStack, raw: RawOpenBao, mark: AuditMark
) -> None:
    token = await raw.token_of(await new_role(raw, token_period="3s"))
    async with opened(stack, TokenLogin(SecretText(token))) as (openbao, cipher):
        await cipher.check()
        await until(lambda: mark.requests()[_RENEW] >= 3, seconds=_WAIT_SECONDS, every_seconds=0.05)
        await cipher.check()
        assert openbao.logins == 1


async def test_a_token_file_that_is_replaced_is_taken_up_before_the_old_token_ends(
    stack: EmbeddedStack, raw: RawOpenBao, mark: AuditMark, tmp_path: Path
) -> None:
    ending = await new_role(raw, token_ttl="4s", token_explicit_max_ttl="4s")
    file = tmp_path / "token"
    file.write_text(await raw.token_of(ending))
    async with opened(stack, TokenLogin(SecretFile(file))) as (openbao, cipher):
        await cipher.check()
        file.write_text(await raw.token_of(await new_role(raw, token_period="1h")))
        await until(lambda: openbao.logins == 2, seconds=_WAIT_SECONDS, every_seconds=0.05)
        encrypting = f"transit/encrypt/{OwnKey.CANARY.value}"
        before = mark.requests()[encrypting]
        await raw.revoke_tokens_of_role(ending)
        await cipher.check()
        assert mark.requests()[encrypting] == before + 1  # not refused first


async def test_closing_ends_the_renewal_and_revokes_the_token(
    stack: EmbeddedStack, raw: RawOpenBao, mark: AuditMark
) -> None:
    role = await new_role(raw, token_period="1h")
    async with opened(stack, role) as (_, cipher):
        await cipher.check()
    assert await raw.revoke_tokens_of_role(role) == 0
    assert mark.requests()["auth/token/revoke-self"] == 1


@frozen
class WrappedRole:
    """A role whose secret ids are delivered wrapped."""

    path: str
    role_id: str

    @classmethod
    async def make(cls, raw: RawOpenBao) -> Self:
        path = f"auth/approle/role/test-{uuid4()}"
        await raw.call("POST", path, token_policies=["test-encrypt"], token_period="1h")
        return cls(path, (await raw.call("GET", f"{path}/role-id"))["role_id"])

    async def deliver(self, raw: RawOpenBao) -> str:
        """A wrapping token, for a file."""
        return await raw.wrapped("POST", f"{self.path}/secret-id")


async def test_a_wrapped_secret_id_is_unwrapped_once_and_serves_every_login(
    stack: EmbeddedStack, raw: RawOpenBao, mark: AuditMark, tmp_path: Path
) -> None:
    role = await WrappedRole.make(raw)
    file = tmp_path / "wrapped"
    wrapping = await role.deliver(raw)
    file.write_text(f"{wrapping}\n")
    login = WrappedAppRoleLogin(role.role_id, WrappedSecretId(SecretFile(file)))
    assert wrapping not in repr(login)
    async with opened(stack, login) as (openbao, cipher):
        await cipher.check()
        file.unlink()
        assert await raw.revoke_tokens_of_role(AppRoleLogin(role.role_id, SecretText(""))) == 1
        await cipher.check()
        assert openbao.logins == 2
    assert mark.requests()["sys/wrapping/unwrap"] == 1


async def test_a_wrapping_token_that_somebody_else_spent_is_misconfigured_until_another_comes(
    stack: EmbeddedStack, raw: RawOpenBao, tmp_path: Path
) -> None:
    role = await WrappedRole.make(raw)
    file = tmp_path / "wrapped"
    login = WrappedAppRoleLogin(role.role_id, WrappedSecretId(SecretFile(file)))
    async with opened(stack, login) as (_, cipher):
        with pytest.raises(Misconfigured, match="cannot be read"):
            await cipher.check()
        wrapping = await role.deliver(raw)
        file.write_text(wrapping)
        await raw.unwrap(wrapping)
        with pytest.raises(Misconfigured, match="spent before, or has expired") as raised:
            await cipher.check()
        assert wrapping not in str(raised.value)
        file.write_text(await raw.wrapped("GET", "sys/mounts"))
        with pytest.raises(Misconfigured, match="is no secret id"):
            await cipher.check()
        file.write_text(await role.deliver(raw))
        await cipher.check()


@pytest.fixture(scope="module")
async def issuer(raw: RawOpenBao) -> Issuer:
    """An issuer whose tokens the method `jwt` takes, for the role `ingest`."""
    issuer = Issuer()
    await raw.call("POST", "sys/auth/jwt", type="jwt")
    await raw.call("POST", "auth/jwt/config", jwt_validation_pubkeys=[issuer.public_pem])
    await raw.call(
        "POST",
        "auth/jwt/role/ingest",
        role_type="jwt",
        user_claim="sub",
        bound_subject="snapshot-ingest",
        bound_audiences=["openbao"],
        token_policies=["test-encrypt"],
        token_period="1h",
    )
    return issuer


_CLAIMS = {"sub": "snapshot-ingest", "aud": "openbao"}


async def test_a_jwt_logs_in_and_a_fresh_one_in_its_file_heals_an_expired_one(
    stack: EmbeddedStack, issuer: Issuer, tmp_path: Path
) -> None:
    file = tmp_path / "jwt"
    file.write_text(issuer.jwt(_CLAIMS, lives_seconds=-600))
    async with opened(stack, JwtLogin("ingest", SecretFile(file))) as (openbao, cipher):
        with pytest.raises(Misconfigured, match="refuses the login") as raised:
            await cipher.check()
        assert file.read_text() not in str(raised.value)
        file.write_text(issuer.jwt(_CLAIMS) + "\n")
        await cipher.check()
        assert openbao.logins == 1


@pytest.mark.parametrize("wrong", ["another issuer", "another subject", "another role"])
async def test_a_jwt_that_does_not_fit_is_misconfigured(
    stack: EmbeddedStack, issuer: Issuer, wrong: str
) -> None:
    signer = Issuer() if wrong == "another issuer" else issuer
    claims = _CLAIMS | ({"sub": "somebody"} if wrong == "another subject" else {})
    role = "nobody" if wrong == "another role" else "ingest"
    login = JwtLogin(role, SecretText(signer.jwt(claims)))
    async with opened(stack, login) as (_, cipher):
        with pytest.raises(Misconfigured, match="refuses the login"):
            await cipher.check()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def kubernetes(authority: Authority) -> Iterator[KubernetesApi]:
    with kubernetes_api(authority.issue("127.0.0.1")) as api:
        yield api


@pytest.fixture(scope="module")
async def pods(raw: RawOpenBao, kubernetes: KubernetesApi, authority: Authority) -> Issuer:
    """Who issues the tokens of pods; the method `kubernetes` is set up, with the role `ingest`."""
    namespace, account = kubernetes.service_account
    issuer = Issuer()
    await raw.call("POST", "sys/auth/kubernetes", type="kubernetes")
    await raw.call(
        "POST",
        "auth/kubernetes/config",
        kubernetes_host=kubernetes.url,
        kubernetes_ca_cert=authority.pem,
        disable_local_ca_jwt=True,
        token_reviewer_jwt=issuer.jwt({"sub": "reviewer"}),
    )
    await raw.call(
        "POST",
        "auth/kubernetes/role/ingest",
        bound_service_account_names=[account],
        bound_service_account_namespaces=[namespace],
        token_policies=["test-encrypt"],
        token_period="1h",
    )
    return issuer


async def test_a_pod_logs_in_with_the_token_of_its_service_account(
    stack: EmbeddedStack, kubernetes: KubernetesApi, pods: Issuer, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(pods.jwt(claims_of_pod()))
    login = JwtLogin("ingest", SecretFile(file), mount="kubernetes")
    async with opened(stack, login) as (openbao, cipher):
        with pytest.raises(Misconfigured, match="refuses the login"):
            await cipher.check()  # Kubernetes does not know it
        kubernetes.know(file.read_text())
        await cipher.check()
        assert openbao.logins == 1


async def test_a_denial_by_policy_is_reported_and_not_looped_on(
    stack: EmbeddedStack, raw: RawOpenBao, mark: AuditMark
) -> None:
    role = await new_role(raw, token_policies=["default"], token_period="1h")
    async with opened(stack, role) as (openbao, cipher):
        with pytest.raises(Misconfigured, match="denies permission, also after a new login"):
            await cipher.check()
        assert openbao.logins <= 3
    assert mark.logins <= 3
