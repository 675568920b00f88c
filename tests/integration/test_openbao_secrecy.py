"""No plaintext, token or secret id is anywhere that it should not be, whatever goes wrong."""

import pickle
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest

from snapshot_conformance.secret_canary import SecretCanary
from snapshot_conformance.secret_canary_objects import reachable_from, shown_by_error
from snapshot_conformance.secret_canary_watch import SecretWatch, secret_canary
from snapshot_domain.errors import SnapshotIngestError
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports import CipherAnswer, CipherItem, DecryptorItem, OwnKey, TenantKey
from snapshot_domain.ports.decryptor import DecryptorAnswer
from snapshot_domain.secret import Configuration, RawMessage
from snapshot_ingest.stack import EmbeddedStack
from snapshot_openbao import (
    Address,
    AppRoleLogin,
    OpenBao,
    SealedBodyCipher,
    SecretText,
    TokenLogin,
    TransitCipher,
    TransitDecryptor,
)
from support.clock import MovableClock
from support.openbao import DECRYPT_ALL, ENCRYPT_ALL, RawOpenBao

__all__ = ["secret_canary"]

_CANARY = SecretCanary()
_TEXT = b"/interface wifi set 0 passphrase=" + _CANARY.text.encode()


@pytest.fixture(scope="module")
async def raw(stack: EmbeddedStack) -> AsyncIterator[RawOpenBao]:
    async with RawOpenBao.of(stack) as raw:
        yield raw


def _shown(fault: BaseException, *secrets: str) -> set[str]:
    """How the fault shows the canary or one of the other secrets."""
    canaries = [_CANARY, *map(SecretCanary, secrets)]
    return {
        how
        for how, content in shown_by_error(fault, may_hold=[__name__])
        if any(canary.is_in(content) for canary in canaries)
    }


async def _all_that_goes_wrong(
    stack: EmbeddedStack, raw: RawOpenBao, openbao: OpenBao
) -> Sequence[CipherAnswer | DecryptorAnswer]:
    cipher = TransitCipher(openbao, MovableClock())
    sealed = SealedBodyCipher(cipher, openbao.threads)
    decryptor = TransitDecryptor(openbao)
    good, broken = await raw.new_tenant(), TenantId(uuid4())
    key = TenantKey(good)
    ciphertext = await raw.encrypt(key, _TEXT)
    changed = Ciphertext(ciphertext.text[:-8] + "AAAAAAA=")
    body = await raw.seal_body(OwnKey.QUARANTINE, _TEXT, "aad")
    items = [
        CipherItem(key, Configuration(_TEXT)),
        CipherItem(TenantKey(broken), Configuration(_TEXT)),
        CipherItem(key, Configuration(_TEXT * 420_000)),
    ]
    bodies = [CipherItem(OwnKey.QUARANTINE, RawMessage(_TEXT), "aad")]
    sealed_items = [
        DecryptorItem(key, ciphertext),
        DecryptorItem(key, changed),
        DecryptorItem(TenantKey(broken), ciphertext),
        DecryptorItem(OwnKey.QUARANTINE, body, "another aad"),
    ]
    answers: list[CipherAnswer | DecryptorAnswer] = []

    async def one_round() -> None:
        answers.extend(await cipher.encrypt(items))
        answers.extend(await sealed.encrypt(bodies))
        answers.extend(await decryptor.decrypt(sealed_items))

    await one_round()
    await stack.kill("openbao")
    try:
        await one_round()
    finally:
        await stack.start("openbao")
    await raw.call("PUT", "sys/seal")
    try:
        await one_round()
    finally:
        await stack.restart("openbao")
    return answers


async def test_faults_logs_and_the_adapters_themselves_hold_no_plaintext_and_no_token(
    stack: EmbeddedStack, raw: RawOpenBao, secret_canary: SecretWatch
) -> None:
    logs = secret_canary.logs
    role = await raw.new_login(f"{ENCRYPT_ALL}\n{DECRYPT_ALL}")
    token = await raw.token_of(role)
    async with OpenBao(
        Address(stack.addresses.openbao_url), TokenLogin(SecretText(token)), MovableClock()
    ) as openbao:
        answers = await _all_that_goes_wrong(stack, raw, openbao)
        faults = [answer for answer in answers if isinstance(answer, SnapshotIngestError)]
        assert {type(fault).__name__ for fault in faults} == {
            "KeyMissing",
            "Refused",
            "Unavailable",
        }
        for fault in faults:
            assert fault.__context__ is None
            assert fault.__cause__ is None
            assert not _shown(fault, token)
        # The last thing that it does before the search is to encrypt.
        cipher = TransitCipher(openbao, MovableClock())
        tenant = await raw.new_tenant()
        await cipher.encrypt([CipherItem(TenantKey(tenant), Configuration(_TEXT))])
        held = list(reachable_from(openbao, cipher))
        assert token in held  # the search reaches the connection's inside
        assert not any(_CANARY.is_in(one) for one in held)
        assert token not in repr(vars(openbao))
    assert any(record.name.startswith("urllib3") for record in logs.records)
    for where, content in await logs.contents():
        assert not _CANARY.is_in(content), where
        assert not SecretCanary(token).is_in(content), where
    assert not any(_CANARY.is_in(repr(answer)) for answer in answers)


async def _failed_check(cipher: TransitCipher) -> SnapshotIngestError:
    """How the check failed; caught here, so that no frame of a test is in its traceback."""
    try:
        await cipher.check()
    except SnapshotIngestError as fault:
        return fault
    raise AssertionError("the check passed")


async def test_a_check_that_fails_holds_nothing(stack: EmbeddedStack, raw: RawOpenBao) -> None:
    role = await raw.new_login(ENCRYPT_ALL)
    secret_id = role.secret_id.read()
    assert isinstance(secret_id, str)
    wrong = AppRoleLogin(role.role_id, SecretText(secret_id[::-1]))
    for login, address in (
        (wrong, Address(stack.addresses.openbao_url)),
        (role, Address("http://127.0.0.1:9")),
    ):
        async with OpenBao(address, login, MovableClock()) as openbao:
            fault = await _failed_check(TransitCipher(openbao, MovableClock()))
        assert fault.__context__ is None
        assert not _shown(fault, secret_id, secret_id[::-1])


async def test_openbaos_audit_log_and_log_hold_no_plaintext(
    stack: EmbeddedStack, raw: RawOpenBao
) -> None:
    role = await raw.new_login(f"{ENCRYPT_ALL}\n{DECRYPT_ALL}")
    tenant = await raw.new_tenant()
    key = TenantKey(tenant)
    async with OpenBao(Address(stack.addresses.openbao_url), role, MovableClock()) as openbao:
        items = [CipherItem(key, Configuration(_TEXT))]
        [answer] = await TransitCipher(openbao, MovableClock()).encrypt(items)
        assert isinstance(answer, Ciphertext)
        await TransitDecryptor(openbao).decrypt([DecryptorItem(key, answer)])
    audit_log = stack.addresses.openbao_audit_log.read_bytes()
    assert f"transit/decrypt/tenant_{tenant}".encode() in audit_log
    assert not _CANARY.is_in(audit_log)
    assert not _CANARY.is_in(stack.addresses.openbao_log.read_bytes())


def test_a_login_shows_no_secret_and_cannot_be_pickled() -> None:
    login = AppRoleLogin("role", SecretText("hidden-text"))
    assert "hidden-text" not in f"{login} {login!r} {login.secret_id}"
    with pytest.raises(TypeError, match="sealed"):
        pickle.dumps(login)
