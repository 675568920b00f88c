"""`snapshot-ingest rewrap` and `convert` on the real servers, set up as `up` does it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from snapshot_domain.model import Ciphertext
from snapshot_domain.ports import StoredTexts, TextSwap
from snapshot_domain.rewriting import FIRST
from snapshot_domain.rotation import Rotation
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import openbao
from snapshot_ingest.operator.opening import open_stored_texts
from snapshot_openbao import TransitRewrapper
from snapshot_postgres import connected
from support.installation import Fleet, Installation
from support.messages import MORNING
from support.openbao import RawOpenBao

_HOUR = timedelta(hours=1)
_FORMATS = ["transit", "compressed", "envelope"]


async def _store(installation: Installation, fleet: Fleet, texts: int, chosen: str) -> None:
    """A device of the fleet with so many texts, each a change."""
    bodies = [fleet.body(f"text {n} " * 20, MORNING + n * _HOUR) for n in range(texts)]
    await installation.in_format(chosen).ingest(fleet, *bodies)


async def _texts(installation: Installation, fleet: Fleet) -> list[str]:
    """What is stored of the device's tenant, and its data keys' wrapped keys."""
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        rows = await admin.fetch(
            "SELECT config_text FROM router_config_snapshots WHERE tenant_id = $1"
            " ORDER BY collected_at",
            fleet.tenant,
        )
    return [row["config_text"] for row in rows]


async def _wrapped_keys(installation: Installation, fleet: Fleet) -> list[str]:
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        rows = await admin.fetch(
            "SELECT wrapped_key FROM snapshot_ingest.data_keys WHERE tenant_id = $1", fleet.tenant
        )
    return [row["wrapped_key"] for row in rows]


async def _rotate(raw: RawOpenBao, fleet: Fleet) -> None:
    await raw.call("POST", f"transit/keys/tenant_{fleet.tenant}/rotate")


async def _require_version(raw: RawOpenBao, fleet: Fleet, version: int) -> None:
    """From now on OpenBao opens nothing that is under an older version."""
    path = f"transit/keys/tenant_{fleet.tenant}/config"
    await raw.call("POST", path, min_decryption_version=version)


async def _shown(installation: Installation, fleet: Fleet) -> bytes:
    shown = await installation.command("show", fleet.device)
    assert shown.code == 0, shown.err
    return shown.out


@asynccontextmanager
async def _stored_texts(installation: Installation) -> AsyncIterator[StoredTexts]:
    async with open_stored_texts(installation.ready.settings) as texts:
        yield texts


@pytest.mark.parametrize("chosen", _FORMATS)
async def test_after_a_rewrap_everything_opens_with_the_newest_version_alone(
    installation: Installation, raw: RawOpenBao, fleet: Fleet, chosen: str
) -> None:
    await installation.register(fleet)
    await _store(installation, fleet, 5, chosen)
    before = await _texts(installation, fleet)
    await _rotate(raw, fleet)
    ended = await installation.command("rewrap", "--tenant", fleet.tenant, "--json")
    assert ended.code == 0, ended.err
    (tenant,) = ended.json["tenants"]
    assert (tenant["oldest_in_use"], tenant["newest"], tenant["behind"]) == (2, 2, 0)
    assert not tenant["certain"]
    changed = await _texts(installation, fleet)
    if chosen == "envelope":
        assert changed == before
        assert ended.json["rewrapped"] == 1
        assert [key[:9] for key in await _wrapped_keys(installation, fleet)] == ["vault:v2:"]
    else:
        assert ended.json["rewrapped"] == 5
        assert all(":v2:" in text[:20] for text in changed)
    await _require_version(raw, fleet, 2)
    assert await _shown(installation, fleet) == b"text 4 " * 20


async def test_a_dry_run_says_what_there_is_to_do_and_does_nothing(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await installation.register(fleet)
    await _store(installation, fleet, 3, "transit")
    await _rotate(raw, fleet)
    before = await _texts(installation, fleet)
    ended = await installation.command("rewrap", "--tenant", fleet.tenant, "--dry-run")
    assert "version 1 is the oldest in use, 2 the newest, 3 behind" in ended.lines[0]
    assert await _texts(installation, fleet) == before


async def test_a_text_that_a_worker_replaced_meanwhile_is_left_to_it(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await installation.register(fleet)
    await _store(installation, fleet, 2, "transit")
    await _rotate(raw, fleet)
    async with _stored_texts(installation) as texts:
        page = await texts.under_other_versions(fleet.tenant, 2, FIRST, 10)
        assert len(page) == 2
        ended = await installation.command("rewrap", "--tenant", fleet.tenant, "--json")
        assert ended.json["rewrapped"] == 2
        now = await _texts(installation, fleet)
        assert await texts.swap([TextSwap(each, Ciphertext("vault:v9:AAAA")) for each in page]) == (
            set()
        )
    assert await _texts(installation, fleet) == now


async def test_a_rewrap_that_was_killed_goes_on_where_it_was(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await installation.register(fleet)
    await _store(installation, fleet, 30, "transit")
    await _rotate(raw, fleet)
    settings = installation.ready.settings
    async with (
        _stored_texts(installation) as texts,
        openbao("operator.openbao", settings.operator.openbao, settings, SystemClock()) as bao,
    ):
        small = Rotation(texts, TransitRewrapper(bao), timedelta(0), page_texts=10)
        async for _ in small.rewrap(fleet.tenant):
            break
    assert sum(":v2:" in text[:20] for text in await _texts(installation, fleet)) == 10
    ended = await installation.command("rewrap", "--tenant", fleet.tenant, "--json")
    assert ended.json["rewrapped"] == 20
    assert all(":v2:" in text[:20] for text in await _texts(installation, fleet))


async def test_a_text_that_does_not_open_stays_and_is_told_of(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await installation.register(fleet)
    await _store(installation, fleet, 3, "transit")
    await _rotate(raw, fleet)
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        await admin.execute(
            "UPDATE router_config_snapshots SET config_text = overlay(config_text placing 'AAAA'"
            " from 30) WHERE tenant_id = $1 AND collected_at = $2",
            fleet.tenant,
            MORNING,
        )
    ended = await installation.command("rewrap", "--tenant", fleet.tenant, "--json")
    assert (ended.code, ended.json["rewrapped"], ended.json["left"]) == (1, 2, 1)
    assert ended.json["tenants"][0]["oldest_in_use"] == 1
    assert "1 texts or data keys stay under an older version" in ended.err
    assert "vault:" not in ended.err


@pytest.mark.parametrize(("before", "after"), [("transit", "envelope"), ("envelope", "transit")])
async def test_a_conversion_keeps_every_text_and_only_changes_its_form(
    installation: Installation, fleet: Fleet, before: str, after: str
) -> None:
    await installation.register(fleet)
    await _store(installation, fleet, 4, before)
    arguments = ("convert", "--to", after, "--tenant", fleet.tenant, "--json")
    waiting = await installation.command(*arguments, "--dry-run")
    assert (waiting.json["converted"], waiting.json["in_other_formats"]) == (0, 4)
    ended = await installation.command(*arguments)
    assert ended.code == 0, ended.err
    assert (ended.json["converted"], ended.json["in_other_formats"]) == (4, 0)
    prefix = {"transit": "vault:", "envelope": "si1e:"}[after]
    assert all(text.startswith(prefix) for text in await _texts(installation, fleet))
    assert await _shown(installation, fleet) == b"text 3 " * 20
    await installation.ingest(fleet, fleet.body("text 3 " * 20, MORNING + 9 * _HOUR))
    assert len(await _texts(installation, fleet)) == 4


async def test_rows_that_others_wrote_are_told_of_and_leave_nothing_certain(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await installation.register(fleet)
    await _store(installation, fleet, 1, "transit")
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        await admin.execute(
            "INSERT INTO router_config_snapshots (device_id, tenant_id, config_text, sha256_hash)"
            " SELECT device_id, tenant_id, config_text, sha256_hash FROM router_config_snapshots"
            " WHERE tenant_id = $1",
            fleet.tenant,
        )
    await _rotate(raw, fleet)
    ended = await installation.command("rewrap", "--tenant", fleet.tenant)
    assert "1 rows that others wrote may be under any version" in ended.lines[0]


async def test_a_conversion_goes_past_runs_whose_rows_others_deleted(
    installation: Installation, fleet: Fleet
) -> None:
    await installation.register(fleet)
    await _store(installation, fleet, 6, "transit")
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        await admin.execute(
            "DELETE FROM router_config_snapshots WHERE id IN (SELECT id FROM"
            " router_config_snapshots WHERE tenant_id = $1 ORDER BY id LIMIT 4)",
            fleet.tenant,
        )
    async with _stored_texts(installation) as texts:
        assert len(await texts.in_other_formats(fleet.tenant, "compressed", FIRST, 3)) == 2
    ended = await installation.command("convert", "--to", "compressed", "--tenant", fleet.tenant)
    assert "converted 2, left 0, changed meanwhile 0, in other formats 0" in ended.lines[0]


async def test_without_the_owners_grant_a_rewrap_says_so_and_changes_nothing(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await installation.register(fleet)
    await _store(installation, fleet, 1, "transit")
    await _rotate(raw, fleet)
    before = await _texts(installation, fleet)
    right = "UPDATE (config_text, sha256_hash) ON router_config_snapshots"
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        await admin.execute(f"REVOKE {right} FROM snapshot_ingest_operator")
        try:
            ended = await installation.command("rewrap", "--tenant", fleet.tenant)
        finally:
            await admin.execute(f"GRANT {right} TO snapshot_ingest_operator")
    assert (ended.code, ended.out) == (1, b"")
    assert "UPDATE (config_text, sha256_hash) on public.router_config_snapshots" in ended.err
    assert ended.err.count("\n") == 1
    assert await _texts(installation, fleet) == before


async def test_a_bad_argument_is_one_clear_line(installation: Installation) -> None:
    for arguments, line in (
        (["rewrap", "--rate", "0"], "--rate is not positive"),
        (["rewrap", "--tenant", "acme"], "--tenant 'acme' is no UUID"),
        (["convert", "--to", "rot13"], "--to 'rot13' is no format"),
    ):
        ended = await installation.command(*arguments)
        assert (ended.code, ended.out) == (1, b"")
        assert line in ended.err
        assert ended.err.count("\n") == 1


async def test_workers_split_and_store_while_everything_is_rewrapped(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await installation.register(fleet)
    await _store(installation, fleet, 40, "transit")
    await _rotate(raw, fleet)
    late = [fleet.body(f"late {n}", MORNING + n * _HOUR + _HOUR / 2) for n in range(40)]
    rewrapping, _ = await asyncio.gather(
        installation.command("rewrap", "--tenant", fleet.tenant, "--rate", 200, "--json"),
        installation.ingest(fleet, *late),
    )
    assert rewrapping.code == 0
    again = await installation.command("rewrap", "--tenant", fleet.tenant, "--json")
    assert again.json["tenants"][0]["oldest_in_use"] == 2
    await _require_version(raw, fleet, 2)
    assert len(await _texts(installation, fleet)) == 80
