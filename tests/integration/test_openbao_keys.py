"""TransitKeys on the real OpenBao, with the stack's administrator."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from snapshot_domain.errors import Misconfigured
from snapshot_domain.model import TenantId
from snapshot_domain.ports import OwnKey
from snapshot_ingest.stack import EmbeddedStack
from snapshot_openbao import Address, OpenBao, TransitKeys
from support.clock import MovableClock
from support.openbao import RawOpenBao, login_of


@pytest.fixture(scope="module")
async def raw(stack: EmbeddedStack) -> AsyncIterator[RawOpenBao]:
    async with RawOpenBao.of(stack) as raw:
        yield raw


@pytest.fixture
async def keys(stack: EmbeddedStack) -> AsyncIterator[TransitKeys]:
    login = login_of(stack.addresses.admin_approle)
    async with OpenBao(Address(stack.addresses.openbao_url), login, MovableClock()) as openbao:
        yield TransitKeys(openbao)


async def test_a_tenants_key_is_made_as_the_backend_expects_it(
    raw: RawOpenBao, keys: TransitKeys
) -> None:
    tenant_id = TenantId(UUID("C2A9D7F4-1B3E-4C66-8F20-7D5E6F708192"))
    await keys.ensure_tenant_key(tenant_id)
    made = await raw.call("GET", "transit/keys/tenant_c2a9d7f4-1b3e-4c66-8f20-7d5e6f708192")
    assert made["type"] == "aes256-gcm96"
    assert made["derived"] is False
    assert made["exportable"] is False


async def test_a_key_that_exists_stays_as_it_is(raw: RawOpenBao, keys: TransitKeys) -> None:
    tenant_id = await raw.new_tenant()
    await raw.call("POST", f"transit/keys/tenant_{tenant_id}/rotate")
    before = await raw.call("GET", f"transit/keys/tenant_{tenant_id}")
    await keys.ensure_tenant_key(tenant_id)
    assert await raw.call("GET", f"transit/keys/tenant_{tenant_id}") == before


async def test_all_of_our_own_keys_are_made_and_making_them_again_changes_nothing(
    raw: RawOpenBao, keys: TransitKeys
) -> None:
    await keys.ensure_own_keys()
    before = [await raw.call("GET", f"transit/keys/{key.value}") for key in OwnKey]
    await keys.ensure_own_keys()
    assert [await raw.call("GET", f"transit/keys/{key.value}") for key in OwnKey] == before


@pytest.mark.parametrize("make", [{"derived": True}, {"exportable": True}, {"type": "ed25519"}])
async def test_a_key_of_another_make_is_reported_and_not_touched(
    raw: RawOpenBao, keys: TransitKeys, make: dict[str, object]
) -> None:
    tenant_id = TenantId(uuid4())
    await raw.call("POST", f"transit/keys/tenant_{tenant_id}", **{"type": "aes256-gcm96"} | make)
    with pytest.raises(Misconfigured, match="another make"):
        await keys.ensure_tenant_key(tenant_id)


async def test_a_role_that_may_make_no_keys_is_misconfigured(
    raw: RawOpenBao, stack: EmbeddedStack
) -> None:
    login = login_of(stack.addresses.ingest_approle)
    tenant_id = TenantId(uuid4())
    async with OpenBao(Address(stack.addresses.openbao_url), login, MovableClock()) as openbao:
        with pytest.raises(Misconfigured, match=str(tenant_id)):
            await TransitKeys(openbao).ensure_tenant_key(tenant_id)
    assert f"tenant_{tenant_id}" not in await raw.key_names()
