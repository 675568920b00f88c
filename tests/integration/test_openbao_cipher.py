"""TransitCipher on the real OpenBao: batches, limits, missing keys, and what it asks the server."""

import os
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest

from snapshot_domain.errors import KeyMissing, Misconfigured
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports import CipherAnswer, CipherItem, OwnKey, TenantKey
from snapshot_domain.secret import Configuration, RawMessage
from snapshot_ingest.stack import EmbeddedStack
from snapshot_openbao import (
    Address,
    AppRoleLogin,
    OpenBao,
    SealedBodyCipher,
    TransitCipher,
)
from support.clock import MovableClock
from support.openbao import ENCRYPT_ALL, AuditMark, RawOpenBao

_MIB = 1024 * 1024
_CANARY_PATH = "transit/encrypt/snapshot_ingest_canary"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
async def raw(stack: EmbeddedStack) -> AsyncIterator[RawOpenBao]:
    async with RawOpenBao.of(stack) as raw:
        yield raw


@pytest.fixture
async def openbao(
    stack: EmbeddedStack, raw: RawOpenBao, clock: MovableClock
) -> AsyncIterator[OpenBao]:
    login = await raw.new_login(ENCRYPT_ALL)
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        yield openbao


@pytest.fixture
def cipher(openbao: OpenBao, clock: MovableClock) -> TransitCipher:
    return TransitCipher(openbao, clock)


def _item(tenant_id: TenantId, text: bytes = b"/system identity\n") -> CipherItem:
    return CipherItem(TenantKey(tenant_id), Configuration(text))


def _kinds(answers: Sequence[CipherAnswer]) -> list[str]:
    return [type(answer).__name__ for answer in answers]


def _ciphertext(answer: CipherAnswer) -> Ciphertext:
    assert isinstance(answer, Ciphertext), answer
    return answer


async def test_thirty_tenants_in_one_call_are_one_request_each(
    stack: EmbeddedStack, raw: RawOpenBao, cipher: TransitCipher
) -> None:
    tenants = [await raw.new_tenant() for _ in range(30)]
    items = [
        _item(tenant_id, f"{tenant_id} {number}".encode())
        for number in range(3)
        for tenant_id in tenants
    ]
    mark = AuditMark(stack.addresses.openbao_audit_log)
    answers = await cipher.encrypt(items)
    assert mark.count(lambda path: path.startswith("transit/encrypt/")) == 30
    for item, answer in zip(items, answers, strict=True):
        assert await raw.decrypt(item.key, _ciphertext(answer)) == item.plaintext.reveal()


async def test_more_items_than_one_request_may_hold_are_all_encrypted(
    stack: EmbeddedStack, raw: RawOpenBao, cipher: TransitCipher
) -> None:
    tenant_id = await raw.new_tenant()
    items = [_item(tenant_id, str(number).encode()) for number in range(361)]
    mark = AuditMark(stack.addresses.openbao_audit_log)
    answers = await cipher.encrypt(items)
    assert mark.count(lambda path: path.startswith("transit/encrypt/")) == 4
    assert _kinds(answers) == ["Ciphertext"] * 361
    for number in (0, 119, 120, 239, 240, 360):
        opened = await raw.decrypt(TenantKey(tenant_id), _ciphertext(answers[number]))
        assert opened == str(number).encode()


async def test_what_fits_one_request_is_encrypted_and_what_does_not_is_refused_alone(
    raw: RawOpenBao, cipher: TransitCipher
) -> None:
    tenant_id = await raw.new_tenant()
    large = os.urandom(_MIB) * 23
    items = [
        _item(tenant_id, b"first"),
        _item(tenant_id, large),
        _item(tenant_id, bytes(25 * _MIB)),
        # The server may cut this one off without an answer, which looks like an outage.
        _item(tenant_id, bytes(40 * _MIB)),
        _item(tenant_id, b"last"),
    ]
    answers = await cipher.encrypt(items)
    assert _kinds(answers) == ["Ciphertext", "Ciphertext", "Refused", "Refused", "Ciphertext"]
    opened = await raw.decrypt(TenantKey(tenant_id), _ciphertext(answers[1]))
    # Not "opened == large" in the assertion: pytest would compare them for a person.
    same = opened == large
    assert same
    assert await raw.decrypt(TenantKey(tenant_id), _ciphertext(answers[4])) == b"last"


async def test_no_key_is_made_for_an_unknown_tenant(
    raw: RawOpenBao, stack: EmbeddedStack, clock: MovableClock
) -> None:
    careless = ENCRYPT_ALL.replace('["update"]', '["create", "update"]')
    login = await raw.new_login(careless)
    before = await raw.key_names()
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        cipher = TransitCipher(openbao, clock)
        [answer] = await cipher.encrypt([_item(TenantId(uuid4()))])
    assert isinstance(answer, KeyMissing)
    assert await raw.key_names() == before


async def test_a_missing_key_is_asked_for_once_in_thirty_seconds(
    stack: EmbeddedStack, raw: RawOpenBao, cipher: TransitCipher, clock: MovableClock
) -> None:
    present, missing = await raw.new_tenant(), TenantId(uuid4())
    await cipher.check()
    mark = AuditMark(stack.addresses.openbao_audit_log)
    missing_path = f"transit/encrypt/tenant_{missing}"
    for _ in range(5):
        answers = await cipher.encrypt([_item(missing), _item(present)])
        assert _kinds(answers) == ["KeyMissing", "Ciphertext"]
    asked = mark.requests()
    assert mark.logins == 0
    assert asked[missing_path] == 1
    assert asked[_CANARY_PATH] == 1

    clock.advance(29)
    assert _kinds(await cipher.encrypt([_item(missing)])) == ["KeyMissing"]
    assert mark.requests() == asked | {
        f"transit/encrypt/tenant_{present}": 5,
    }
    clock.advance(2)
    assert _kinds(await cipher.encrypt([_item(missing)])) == ["KeyMissing"]
    assert mark.requests()[missing_path] == 2


async def test_a_key_that_was_made_meanwhile_is_found_after_thirty_seconds(
    raw: RawOpenBao, cipher: TransitCipher, clock: MovableClock
) -> None:
    tenant_id = TenantId(uuid4())
    assert _kinds(await cipher.encrypt([_item(tenant_id)])) == ["KeyMissing"]
    await raw.call("POST", f"transit/keys/tenant_{tenant_id}", type="aes256-gcm96")
    clock.advance(31)
    assert _kinds(await cipher.encrypt([_item(tenant_id)])) == ["Ciphertext"]


async def test_many_missing_keys_in_one_call_cost_no_login(
    stack: EmbeddedStack, cipher: TransitCipher
) -> None:
    await cipher.check()
    mark = AuditMark(stack.addresses.openbao_audit_log)
    answers = await cipher.encrypt([_item(TenantId(uuid4())) for _ in range(20)])
    assert _kinds(answers) == ["KeyMissing"] * 20
    assert mark.logins == 0


async def test_where_the_canary_is_forbidden_too_the_role_is_misconfigured(
    raw: RawOpenBao, stack: EmbeddedStack, clock: MovableClock
) -> None:
    allowed = await raw.new_tenant()
    other = await raw.new_tenant()
    login = await raw.new_login(
        f'path "transit/encrypt/tenant_{allowed}" {{ capabilities = ["update"] }}'
    )
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        cipher = TransitCipher(openbao, clock)
        answers = await cipher.encrypt([_item(other), _item(allowed)])
        assert _kinds(answers) == ["Misconfigured", "Ciphertext"]
        with pytest.raises(Misconfigured, match="provision"):
            await cipher.check()
        # It is not remembered as missing: with the policy mended it works at once.
        await _widen(raw, login)
        assert _kinds(await cipher.encrypt([_item(other)])) == ["Ciphertext"]


async def _widen(raw: RawOpenBao, login: AppRoleLogin) -> None:
    """Gives the login's role a policy that it did not have when its token was made."""
    await raw.call("POST", "sys/policies/acl/test-encrypt-all", policy=ENCRYPT_ALL)
    for role in (await raw.call("LIST", "auth/approle/role"))["keys"]:
        found = await raw.call("GET", f"auth/approle/role/{role}/role-id")
        if found["role_id"] == login.role_id:
            await raw.call("POST", f"auth/approle/role/{role}", token_policies=["test-encrypt-all"])


async def test_a_soft_deleted_key_is_missing_until_it_is_restored(
    raw: RawOpenBao, cipher: TransitCipher
) -> None:
    frozen, other = await raw.new_tenant(), await raw.new_tenant()
    await raw.call("DELETE", f"transit/keys/tenant_{frozen}/soft-delete")
    items = [_item(frozen), _item(frozen), _item(other)]
    assert _kinds(await cipher.encrypt(items)) == ["KeyMissing", "KeyMissing", "Ciphertext"]
    await raw.call("POST", f"transit/keys/tenant_{frozen}/soft-delete-restore")
    assert _kinds(await cipher.encrypt(items)) == ["Ciphertext"] * 3


@pytest.mark.parametrize(
    "make",
    [{"type": "aes256-gcm96", "derived": True}, {"type": "ed25519"}],
    ids=["derived", "signing"],
)
async def test_a_key_of_another_make_is_as_good_as_missing(
    raw: RawOpenBao, cipher: TransitCipher, make: dict[str, object]
) -> None:
    tenant_id = TenantId(uuid4())
    await raw.call("POST", f"transit/keys/tenant_{tenant_id}", **make)
    answers = await cipher.encrypt([_item(tenant_id), _item(tenant_id)])
    assert _kinds(answers) == ["KeyMissing"] * 2


async def test_ciphertexts_of_a_rotated_key_name_its_new_version(
    raw: RawOpenBao, cipher: TransitCipher
) -> None:
    tenant_id = await raw.new_tenant()
    await raw.call("POST", f"transit/keys/tenant_{tenant_id}/rotate")
    [answer] = await cipher.encrypt([_item(tenant_id, b"text")])
    assert _ciphertext(answer).text.startswith("vault:v2:")
    assert await raw.decrypt(TenantKey(tenant_id), _ciphertext(answer)) == b"text"


async def test_a_quarantine_key_that_is_missing_is_our_own_fault(
    raw: RawOpenBao, openbao: OpenBao, cipher: TransitCipher
) -> None:
    await raw.call("DELETE", f"transit/keys/{OwnKey.WAITING.value}/soft-delete")
    sealed = SealedBodyCipher(cipher, openbao.threads)
    item = CipherItem(OwnKey.WAITING, RawMessage(b"body"), "aad")
    [answer] = await sealed.encrypt([item])
    await raw.call("POST", f"transit/keys/{OwnKey.WAITING.value}/soft-delete-restore")
    assert isinstance(answer, Misconfigured)
    assert "provision" in str(answer)
    assert _kinds(await sealed.encrypt([item])) == ["Ciphertext"]


async def test_quarantined_bodies_need_one_request_for_each_key(
    stack: EmbeddedStack, openbao: OpenBao, cipher: TransitCipher
) -> None:
    await cipher.check()
    items = [
        CipherItem(key, RawMessage(b"{" * 1000), f"aad {number}")
        for key in (OwnKey.QUARANTINE, OwnKey.WAITING)
        for number in range(50)
    ]
    mark = AuditMark(stack.addresses.openbao_audit_log)
    answers = await SealedBodyCipher(cipher, openbao.threads).encrypt(items)
    assert _kinds(answers) == ["Ciphertext"] * 100
    assert mark.requests().total() == 2
    assert len({_ciphertext(answer).text for answer in answers}) == 100


async def test_an_unknown_mount_is_misconfigured(
    raw: RawOpenBao, stack: EmbeddedStack, clock: MovableClock
) -> None:
    login = await raw.new_login('path "nowhere/*" { capabilities = ["update"] }')
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        cipher = TransitCipher(openbao, clock, mount="nowhere")
        [answer] = await cipher.encrypt([_item(TenantId(uuid4()))])
    assert isinstance(answer, Misconfigured)


async def test_another_mount_can_be_configured(
    raw: RawOpenBao, stack: EmbeddedStack, clock: MovableClock
) -> None:
    mount, tenant_id = f"teams/{uuid4()}", TenantId(uuid4())
    await raw.call("POST", f"sys/mounts/{mount}", type="transit")
    await raw.call("POST", f"{mount}/keys/tenant_{tenant_id}", type="aes256-gcm96")
    login = await raw.new_login(f'path "{mount}/encrypt/*" {{ capabilities = ["update"] }}')
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        cipher = TransitCipher(openbao, clock, mount=f"/{mount}/")
        assert _kinds(await cipher.encrypt([_item(tenant_id)])) == ["Ciphertext"]
