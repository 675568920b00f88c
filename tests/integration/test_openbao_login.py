"""Logins at the real OpenBao: one where a token dies, none where it cannot help, none left over."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports import CipherAnswer, CipherItem, TenantKey
from snapshot_domain.secret import Configuration
from snapshot_ingest.stack import EmbeddedStack
from snapshot_openbao import (
    Address,
    AppRoleLogin,
    OpenBao,
    SecretFile,
    SecretText,
    Timing,
    TokenLogin,
    TransitCipher,
)
from support.clock import MovableClock
from support.openbao import ENCRYPT_ALL, AuditMark, RawOpenBao


@pytest.fixture(scope="module")
async def raw(stack: EmbeddedStack) -> AsyncIterator[RawOpenBao]:
    async with RawOpenBao.of(stack) as raw:
        yield raw


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


def _items(*tenants: TenantId) -> list[CipherItem]:
    return [CipherItem(TenantKey(tenant), Configuration(b"/system identity")) for tenant in tenants]


def _all_encrypted(answers: list[CipherAnswer]) -> bool:
    return all(isinstance(answer, Ciphertext) for answer in answers)


async def test_a_revoked_token_costs_one_login_for_all_concurrent_calls(
    stack: EmbeddedStack, raw: RawOpenBao, clock: MovableClock
) -> None:
    tenants = [await raw.new_tenant() for _ in range(8)]
    login = await raw.new_login(ENCRYPT_ALL)
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        cipher = TransitCipher(openbao, clock)
        await cipher.check()
        for _ in range(3):
            assert await raw.revoke_tokens_of_role(login) == 1
            mark = AuditMark(stack.addresses.openbao_audit_log)
            calls = [cipher.encrypt(_items(*tenants)) for _ in range(10)]
            answers = [one for call in await asyncio.gather(*calls) for one in call]
            assert len(answers) == 80
            assert _all_encrypted(answers)
            assert mark.logins == 1


async def test_a_request_that_fails_after_the_new_login_uses_it_and_makes_no_other(
    stack: EmbeddedStack, raw: RawOpenBao, clock: MovableClock
) -> None:
    quick, slow = await raw.new_tenant(), await raw.new_tenant()
    login = await raw.new_login(ENCRYPT_ALL)
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        cipher = TransitCipher(openbao, clock)
        await cipher.check()
        await raw.revoke_tokens_of_role(login)
        mark = AuditMark(stack.addresses.openbao_audit_log)
        # The server reads the whole body before it looks at the token.
        large = CipherItem(TenantKey(slow), Configuration(bytes(20 * 1024 * 1024)))
        answers = await asyncio.gather(cipher.encrypt([large]), cipher.encrypt(_items(quick)))
        assert _all_encrypted([one for call in answers for one in call])
        assert mark.logins == 1


async def test_the_first_calls_share_one_login(
    stack: EmbeddedStack, raw: RawOpenBao, clock: MovableClock
) -> None:
    tenant = await raw.new_tenant()
    login = await raw.new_login(ENCRYPT_ALL)
    mark = AuditMark(stack.addresses.openbao_audit_log)
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        cipher = TransitCipher(openbao, clock)
        await asyncio.gather(*(cipher.encrypt(_items(tenant)) for _ in range(10)))
    assert mark.logins == 1


async def test_a_caller_that_gives_up_does_not_cost_the_others_their_login(
    stack: EmbeddedStack, raw: RawOpenBao, clock: MovableClock
) -> None:
    tenant = await raw.new_tenant()
    login = await raw.new_login(ENCRYPT_ALL)
    mark = AuditMark(stack.addresses.openbao_audit_log)
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        cipher = TransitCipher(openbao, clock)
        first = asyncio.ensure_future(cipher.encrypt(_items(tenant)))
        second = asyncio.ensure_future(cipher.encrypt(_items(tenant)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        assert _all_encrypted(list(await second))
        with pytest.raises(asyncio.CancelledError):
            await first
    assert mark.logins == 1


async def test_a_wrong_secret_id_is_misconfigured_and_asked_once_a_call(
    stack: EmbeddedStack, raw: RawOpenBao, clock: MovableClock
) -> None:
    right = await raw.new_login(ENCRYPT_ALL)
    wrong = AppRoleLogin(right.role_id, SecretText("6f1d2c3b-wrong"))
    mark = AuditMark(stack.addresses.openbao_audit_log)
    async with OpenBao(Address(stack.addresses.openbao_url), wrong, clock) as openbao:
        cipher = TransitCipher(openbao, clock)
        answers = await cipher.encrypt(_items(*(TenantId(uuid4()) for _ in range(5))))
        with pytest.raises(Misconfigured, match="secret id"):
            await cipher.check()
    assert [type(answer) for answer in answers] == [Misconfigured] * 5
    assert mark.logins == 2
    assert "6f1d2c3b-wrong" not in "".join(map(str, answers))


async def test_a_login_path_that_is_not_there_is_misconfigured(
    stack: EmbeddedStack, raw: RawOpenBao, clock: MovableClock
) -> None:
    right = await raw.new_login(ENCRYPT_ALL)
    elsewhere = AppRoleLogin(right.role_id, right.secret_id, mount="no-approle-here")
    async with OpenBao(Address(stack.addresses.openbao_url), elsewhere, clock) as openbao:
        with pytest.raises(Misconfigured, match="refuses the login"):
            await TransitCipher(openbao, clock).check()


async def test_a_secret_id_file_that_is_replaced_heals_without_a_restart(
    stack: EmbeddedStack, raw: RawOpenBao, clock: MovableClock, tmp_path: Path
) -> None:
    right = await raw.new_login(ENCRYPT_ALL)
    file = tmp_path / "secret_id"
    login = AppRoleLogin(right.role_id, SecretFile(file))
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        cipher = TransitCipher(openbao, clock)
        with pytest.raises(Misconfigured, match="cannot be read"):
            await cipher.check()
        file.write_text("wrong")
        with pytest.raises(Misconfigured, match="refuses the login"):
            await cipher.check()
        file.write_text(f"{right.secret_id.read()}\n")
        await cipher.check()


async def test_the_tokens_that_we_made_are_revoked_at_the_end(
    stack: EmbeddedStack, raw: RawOpenBao, clock: MovableClock
) -> None:
    login = await raw.new_login(ENCRYPT_ALL)
    openbao = OpenBao(Address(stack.addresses.openbao_url), login, clock)
    cipher = TransitCipher(openbao, clock)
    await cipher.check()
    await cipher.encrypt(_items(TenantId(uuid4())))  # its missing key costs a second login
    await openbao.aclose()
    await openbao.aclose()
    assert await raw.revoke_tokens_of_role(login) == 0


async def test_a_lasting_missing_key_does_not_pile_up_tokens(
    stack: EmbeddedStack, raw: RawOpenBao, clock: MovableClock
) -> None:
    login = await raw.new_login(ENCRYPT_ALL)
    missing = TenantId(uuid4())
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        cipher = TransitCipher(openbao, clock)
        for _ in range(8):
            await cipher.encrypt(_items(missing))
            clock.advance(40)
        assert 1 <= await raw.revoke_tokens_of_role(login) <= 3


async def test_a_given_token_is_used_and_left_alive(
    stack: EmbeddedStack, raw: RawOpenBao, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await raw.new_tenant()
    role = await raw.new_login(ENCRYPT_ALL)
    login = TokenLogin(SecretText(await raw.token_of(role)))
    monkeypatch.setenv("VAULT_TOKEN", "s.a-token-of-the-environment")
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        cipher = TransitCipher(openbao, clock)
        assert _all_encrypted(list(await cipher.encrypt(_items(tenant))))
    assert await raw.revoke_tokens_of_role(role) == 1


async def test_a_token_file_is_read_again_when_its_token_is_dead(
    stack: EmbeddedStack,
    raw: RawOpenBao,
    clock: MovableClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    role = await raw.new_login(ENCRYPT_ALL)
    file = tmp_path / "token"
    file.write_text(await raw.token_of(role))
    login = TokenLogin(SecretFile(file))
    caplog.set_level(logging.INFO, "snapshot_openbao")
    async with OpenBao(Address(stack.addresses.openbao_url), login, clock) as openbao:
        cipher = TransitCipher(openbao, clock)
        await cipher.check()
        await raw.revoke_tokens_of_role(role)
        for _ in range(3):
            with pytest.raises(Misconfigured):
                await cipher.check()
        assert caplog.messages == ["logged in to OpenBao"]
        file.write_text(await raw.token_of(role))
        await cipher.check()
    assert caplog.messages == ["logged in to OpenBao"] * 2


async def test_a_closed_connection_is_unavailable(
    stack: EmbeddedStack, raw: RawOpenBao, clock: MovableClock
) -> None:
    tenant = await raw.new_tenant()
    openbao = OpenBao(
        Address(stack.addresses.openbao_url), await raw.new_login(ENCRYPT_ALL), clock, threads=1
    )
    cipher = TransitCipher(openbao, clock)
    await cipher.check()
    under_way = [asyncio.ensure_future(cipher.encrypt(_items(tenant))) for _ in range(20)]
    await asyncio.sleep(0)
    await openbao.aclose()
    for [answer] in await asyncio.gather(*under_way):
        assert isinstance(answer, Ciphertext | Unavailable)
    [answer] = await cipher.encrypt(_items(tenant))
    assert isinstance(answer, Unavailable)


def test_the_timing_ends_well_before_a_message_is_delivered_again() -> None:
    timing = Timing()
    assert timing.call_seconds + 2 * timing.request_seconds < 30
