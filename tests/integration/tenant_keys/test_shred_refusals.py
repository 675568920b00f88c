"""What `snapshot-ingest shred` refuses, and that it touches no key then."""

import json
import os
from uuid import uuid4

import pytest

from snapshot_domain.errors import KeyMissing, Misconfigured
from snapshot_domain.model import TenantId
from snapshot_domain.ports import KeyState
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import openbao
from snapshot_ingest.stack import EmbeddedStack
from snapshot_openbao import Address, OpenBao, TransitRewrapper, TransitTenantKeys
from snapshot_postgres import connected
from support.installation import Fleet, Installation
from support.openbao import RawOpenBao
from support.shredding import (
    count,
    key_state,
    shred,
    store,
)

_ANOTHER = "6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"


@pytest.mark.parametrize("answers_rightly", [True, False])
async def test_a_person_at_a_terminal_is_asked_for_the_tenants_id(
    installation: Installation, raw: RawOpenBao, fleet: Fleet, *, answers_rightly: bool
) -> None:
    await installation.register(fleet)
    controller, terminal = os.openpty()
    try:
        os.write(controller, f"{fleet.tenant if answers_rightly else 'yes'}\n".encode())
        ended = await installation.command("shred", fleet.tenant, "--forever", stdin=terminal)
    finally:
        os.close(terminal)
        os.close(controller)
    assert "The tenant's id once more" in ended.err
    if answers_rightly:
        assert ended.code == 0
        assert await key_state(raw, fleet) is KeyState.GONE
        return
    assert (ended.code, ended.out) == (1, b"")
    assert await key_state(raw, fleet) is KeyState.USABLE


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--forever"], "nobody is here to confirm it"),
        (["--forever", "--confirm", "yes"], "not the tenant's id"),
        (["--forever", "--confirm", _ANOTHER], "not the tenant's id"),
        (["--forever", "--restore"], "--restore and --forever are both given"),
        (["--confirm", _ANOTHER], "--confirm confirms nothing"),
        (["--report", "no/such/folder/report.json"], "cannot be made (FileNotFoundError)"),
        (["--report", "snapshot-ingest-there.json"], "cannot be made (FileExistsError)"),
    ],
)
async def test_what_is_not_confirmed_or_contradicts_itself_is_one_line_and_touches_no_key(
    installation: Installation, raw: RawOpenBao, fleet: Fleet, arguments: list[str], line: str
) -> None:
    (installation.folder / "snapshot-ingest-there.json").write_text("kept")
    await installation.register(fleet)
    ended = await shred(installation, fleet, *arguments)
    assert (ended.code, ended.out) == (1, b"")
    assert line in ended.err
    assert ended.err.count("\n") == 1
    assert await key_state(raw, fleet) is KeyState.USABLE
    assert (installation.folder / "snapshot-ingest-there.json").read_text() == "kept"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "has no key, so there is nothing to freeze"),
        (["--restore"], "has no key, so there is nothing to restore"),
        (["--forever", "--confirm"], "has no key, and nothing is stored of it"),
    ],
)
async def test_a_tenant_that_nobody_knows_is_one_line_and_gets_no_key(
    installation: Installation, raw: RawOpenBao, fleet: Fleet, arguments: list[str], line: str
) -> None:
    before = await raw.key_names()
    confirmed = [*arguments, fleet.tenant] if "--confirm" in arguments else arguments
    file = installation.folder / "nobody.json"
    ended = await shred(installation, fleet, *confirmed, "--report", file)
    assert (ended.code, ended.out) == (1, b"")
    assert line in ended.err
    assert ended.err.count("\n") == 1
    assert await raw.key_names() == before
    assert not file.exists()


@pytest.mark.parametrize("which", ["acme", "C2A9D7F4-1B3E-4C66-8F20-7D5E6F708192", "../x"])
async def test_what_is_no_id_of_a_tenant_is_one_line(
    installation: Installation, which: str
) -> None:
    ended = await installation.command("shred", which)
    assert (ended.code, ended.out) == (1, b"")
    assert f"TENANT {which!r} is no UUID" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "right",
    [
        "DELETE ON snapshot_ingest.heads",
        "DELETE ON snapshot_ingest.data_keys",
        "UPDATE (state, ciphertext) ON snapshot_ingest.quarantine",
    ],
)
async def test_an_operator_who_may_not_erase_keeps_the_key(
    installation: Installation, raw: RawOpenBao, fleet: Fleet, right: str
) -> None:
    await store(installation, fleet, 1)
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        await admin.execute(f"REVOKE {right} FROM snapshot_ingest_operator")
        try:
            ended = await shred(installation, fleet, "--forever", "--confirm", fleet.tenant)
        finally:
            await admin.execute(f"GRANT {right} TO snapshot_ingest_operator")
    assert (ended.code, ended.out) == (1, b"")
    assert ended.err.count("\n") == 1
    assert "run deploy/postgres/operator.sql" in ended.err
    assert await key_state(raw, fleet) is KeyState.USABLE


@pytest.mark.parametrize("setting", ["openbao.secret_id_file", "postgres.password_file"])
async def test_where_the_reader_cannot_log_in_the_key_stays(
    installation: Installation, raw: RawOpenBao, fleet: Fleet, setting: str
) -> None:
    wrong = installation.folder / "wrong.secret"
    wrong.write_text("not this")
    await store(installation, fleet, 1)
    ended = await installation.command(
        *("--set", f"reader.{setting}={wrong}"),
        *("shred", fleet.tenant, "--forever", "--confirm", fleet.tenant),
    )
    assert (ended.code, ended.out) == (1, b"")
    assert ended.err.count("\n") == 1
    assert await key_state(raw, fleet) is KeyState.USABLE


async def test_a_wrong_mount_is_no_deleted_key(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    url = installation.ready.addresses.openbao_url
    login = await raw.new_login_of_policies("test-everything")
    async with OpenBao(Address(url), login, SystemClock()) as bao:
        keys = TransitTenantKeys(bao, mount="elsewhere")
        versions = TransitRewrapper(bao, mount="elsewhere").versions
        for call in (keys.state, keys.freeze, keys.restore, keys.delete, versions):
            with pytest.raises(Misconfigured):
                await call(fleet.tenant)


async def test_a_tenant_without_a_key_has_no_versions(
    installation: Installation, fleet: Fleet
) -> None:
    settings = installation.ready.settings
    section = settings.operator.openbao
    async with openbao("operator.openbao", section, settings, SystemClock()) as bao:
        with pytest.raises(KeyMissing):
            await TransitRewrapper(bao).versions(fleet.tenant)


async def test_if_the_deleted_key_was_another_openbaos_nothing_is_erased(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await store(installation, fleet, 2)
    file = installation.folder / "wrong.json"
    async with EmbeddedStack(installation.folder / "other") as other, RawOpenBao.of(other) as its:
        await its.call("POST", f"transit/keys/tenant_{fleet.tenant}", type="aes256-gcm96")
        login = other.addresses.admin_approle
        ended = await installation.command(
            *("--set", f"admin.openbao.url={other.addresses.openbao_url}"),
            *("--set", f"admin.openbao.secret_id_file={login.secret_id_file}"),
            *("shred", fleet.tenant, "--forever", "--confirm", fleet.tenant, "--report", file),
        )
    assert ended.code == 1
    assert "2 rows still open although the key is deleted" in ended.err
    report = json.loads(file.read_text())
    assert report["rows"] == {"found": 2, "tried": 2, "beyond_reach": 0, "opened": 2}
    assert report["erased"] == {"heads": 0, "runs": 0, "data_keys": 0, "quarantined": 0}
    assert await count(installation, "snapshot_ingest.heads", fleet) == 1
    assert await key_state(raw, fleet) is KeyState.USABLE


async def test_where_the_readers_openbao_is_another_one_the_key_stays(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await store(installation, fleet, 2)
    async with EmbeddedStack(installation.folder / "another") as another:
        async with RawOpenBao.of(another) as its:
            await its.call("POST", f"transit/keys/tenant_{fleet.tenant}", type="aes256-gcm96")
        login = another.addresses.reader_approle
        ended = await installation.command(
            *("--set", f"reader.openbao.url={another.addresses.openbao_url}"),
            *("--set", f"reader.openbao.role_id={login.role_id}"),
            *("--set", f"reader.openbao.secret_id_file={login.secret_id_file}"),
            *("shred", fleet.tenant, "--forever", "--confirm", fleet.tenant),
        )
    assert (ended.code, ended.out) == (1, b"")
    assert f"none of 2 rows of tenant {fleet.tenant} opens although its key works" in ended.err
    assert await key_state(raw, fleet) is KeyState.USABLE
    assert await count(installation, "snapshot_ingest.heads", fleet) == 1


async def test_no_call_about_a_key_that_is_not_there_makes_one(
    installation: Installation, raw: RawOpenBao
) -> None:
    settings = installation.ready.settings
    before = await raw.key_names()
    unknown = TenantId(uuid4())
    async with openbao("admin.openbao", settings.admin.openbao, settings, SystemClock()) as bao:
        keys = TransitTenantKeys(bao)
        assert await keys.state(unknown) is KeyState.GONE
        for call in (keys.freeze, keys.restore, keys.delete):
            with pytest.raises(KeyMissing):
                await call(unknown)
    assert await raw.key_names() == before


async def test_only_the_admin_may_take_a_key_out_of_use(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await installation.register(fleet)
    settings = installation.ready.settings
    for name, section in (
        ("openbao", settings.openbao),
        ("reader.openbao", settings.reader.openbao),
        ("operator.openbao", settings.operator.openbao),
    ):
        async with openbao(name, section, settings, SystemClock()) as bao:
            keys = TransitTenantKeys(bao)
            for call in (keys.freeze, keys.restore, keys.delete):
                with pytest.raises(Misconfigured):
                    await call(fleet.tenant)
    assert await key_state(raw, fleet) is KeyState.USABLE
