"""OpenBao sealed, frozen, rate-limited or not there: *unavailable* in time, and then it heals."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from time import monotonic

import pytest

from snapshot_domain.errors import Misconfigured, RateLimited, Unavailable
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports import CipherItem, TenantKey
from snapshot_domain.secret import Configuration
from snapshot_ingest.stack import EmbeddedStack
from snapshot_openbao import Address, OpenBao, Timing, TransitCipher
from support.clock import MovableClock
from support.openbao import ENCRYPT_ALL, RawOpenBao
from support.waiting import until

_QUICK = Timing(request_seconds=0.4, call_seconds=0.8, close_seconds=1.0)


@pytest.fixture(scope="module")
async def raw(stack: EmbeddedStack) -> AsyncIterator[RawOpenBao]:
    async with RawOpenBao.of(stack) as raw:
        yield raw


@pytest.fixture
async def openbao(stack: EmbeddedStack, raw: RawOpenBao) -> AsyncIterator[OpenBao]:
    login = await raw.new_login(ENCRYPT_ALL)
    address = Address(stack.addresses.openbao_url)
    async with OpenBao(address, login, MovableClock(), threads=2, timing=_QUICK) as openbao:
        yield openbao


@pytest.fixture
def cipher(openbao: OpenBao) -> TransitCipher:
    return TransitCipher(openbao, MovableClock())


def _items(*tenants: TenantId) -> list[CipherItem]:
    return [CipherItem(TenantKey(tenant), Configuration(b"/system identity")) for tenant in tenants]


@asynccontextmanager
async def _frozen(stack: EmbeddedStack) -> AsyncIterator[None]:
    pid = stack.addresses.pids.openbao
    os.kill(pid, SIGSTOP)
    try:
        await until(lambda: _is_stopped(pid))
        yield
    finally:
        os.kill(pid, SIGCONT)


def _is_stopped(pid: int) -> bool:
    """Whether each of the process's threads has stopped: the signal takes a moment."""
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def _openbao_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("openbao")}


async def test_a_sealed_server_is_unavailable_until_it_is_unsealed(
    stack: EmbeddedStack, raw: RawOpenBao, cipher: TransitCipher
) -> None:
    tenant = await raw.new_tenant()
    await cipher.check()
    await raw.call("PUT", "sys/seal")
    try:
        [answer] = await cipher.encrypt(_items(tenant))
        with pytest.raises(Unavailable, match="sealed"):
            await cipher.check()
    finally:
        await stack.restart("openbao")
    assert isinstance(answer, Unavailable)
    [answer] = await cipher.encrypt(_items(tenant))
    assert isinstance(answer, Ciphertext)


async def test_a_server_that_is_sealed_before_the_first_login_is_unavailable(
    stack: EmbeddedStack, raw: RawOpenBao, cipher: TransitCipher
) -> None:
    await raw.call("PUT", "sys/seal")
    try:
        with pytest.raises(Unavailable, match="sealed"):
            await cipher.check()
    finally:
        await stack.restart("openbao")
    await cipher.check()


async def test_a_frozen_server_holds_a_call_no_longer_than_the_call_may_take(
    stack: EmbeddedStack, raw: RawOpenBao, cipher: TransitCipher
) -> None:
    tenants = [await raw.new_tenant() for _ in range(20)]
    await cipher.check()
    async with _frozen(stack):
        began = monotonic()
        answers = await cipher.encrypt(_items(*tenants))
        seconds = monotonic() - began
    assert [type(answer) for answer in answers] == [Unavailable] * 20
    # One after the other, in two threads, the twenty would take ten times as long as one.
    assert seconds < 4 * _QUICK.call_seconds
    answers = await cipher.encrypt(_items(*tenants))
    assert [type(answer) for answer in answers] == [Ciphertext] * 20


async def test_a_cancelled_call_leaves_nothing_running_after_the_end(
    stack: EmbeddedStack, raw: RawOpenBao
) -> None:
    tenant = await raw.new_tenant()
    login = await raw.new_login(ENCRYPT_ALL)
    address = Address(stack.addresses.openbao_url)
    others = _openbao_threads()
    openbao = OpenBao(address, login, MovableClock(), timing=_QUICK)
    cipher = TransitCipher(openbao, MovableClock())
    await cipher.check()
    assert _openbao_threads() - others
    async with _frozen(stack):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await cipher.encrypt(_items(tenant))
        began = monotonic()
        await openbao.aclose()
        assert monotonic() - began < 2 * _QUICK.close_seconds + 1
    await until(lambda: not _openbao_threads() - others)


async def test_a_rate_limit_is_unavailable_and_passes(
    raw: RawOpenBao, cipher: TransitCipher
) -> None:
    tenants = [await raw.new_tenant() for _ in range(6)]
    quota = "sys/quotas/rate-limit/test-transit"
    await raw.call("POST", quota, path="transit", rate=2, interval="1h")
    try:
        answers = await cipher.encrypt(_items(*tenants))
    finally:
        await raw.call("DELETE", quota)
    assert {type(answer) for answer in answers} == {Ciphertext, RateLimited}
    assert "rate" in str(next(answer for answer in answers if isinstance(answer, Unavailable)))
    answers = await cipher.encrypt(_items(*tenants))
    assert {type(answer) for answer in answers} == {Ciphertext}


async def test_a_rate_limit_says_when_to_come_again(raw: RawOpenBao, cipher: TransitCipher) -> None:
    quota = "sys/quotas/rate-limit/test-transit"
    tenants = [await raw.new_tenant() for _ in range(6)]
    await raw.call("POST", "sys/quotas/config", enable_rate_limit_response_headers=True)
    await raw.call("POST", quota, path="transit", rate=2, interval="9s")
    try:
        answers = await cipher.encrypt(_items(*tenants))
    finally:
        await raw.call("DELETE", quota)
        await raw.call("POST", "sys/quotas/config", enable_rate_limit_response_headers=False)
    [limited, *_] = [answer for answer in answers if isinstance(answer, RateLimited)]
    assert limited.retry_after is not None
    assert timedelta(0) < limited.retry_after <= timedelta(seconds=9)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8200", "http://", "ftp://127.0.0.1", "http://a b"])
async def test_an_address_that_is_none_is_misconfigured(raw: RawOpenBao, url: str) -> None:
    login = await raw.new_login(ENCRYPT_ALL)
    async with OpenBao(Address(url), login, MovableClock()) as openbao:
        with pytest.raises(Misconfigured, match="address"):
            await TransitCipher(openbao, MovableClock()).check()


async def test_a_server_that_speaks_another_protocol_is_unavailable(
    stack: EmbeddedStack, raw: RawOpenBao
) -> None:
    login = await raw.new_login(ENCRYPT_ALL)
    url = stack.addresses.nats_server.replace("nats://", "http://")
    async with OpenBao(Address(url), login, MovableClock(), timing=_QUICK) as openbao:
        with pytest.raises(Unavailable):
            await TransitCipher(openbao, MovableClock()).check()


async def test_neither_proxy_nor_netrc_of_the_environment_is_used(
    stack: EmbeddedStack, raw: RawOpenBao, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = await raw.new_login(ENCRYPT_ALL)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:9")
    monkeypatch.setenv("VAULT_NAMESPACE", "nowhere")
    async with OpenBao(Address(stack.addresses.openbao_url), login, MovableClock()) as openbao:
        await TransitCipher(openbao, MovableClock()).check()
