"""`snapshot-ingest shred` on the real servers, set up as `up` does it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from attrs import evolve

from snapshot_domain.errors import KeyMissing, Misconfigured
from snapshot_domain.model import TenantId
from snapshot_domain.ports import KeyState, TenantKey
from snapshot_domain.shredding import Trial
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import nats_connection, openbao, postgres_pool
from snapshot_ingest.embedded.setting_up import set_up
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.settings import CipherFormat
from snapshot_ingest.stack import EmbeddedStack
from snapshot_nats import connect
from snapshot_openbao import Address, OpenBao, TransitDecryptor, TransitTenantKeys
from snapshot_postgres import PostgresTenantRows, connected
from support.installation import Ended, Fleet, Installation
from support.messages import MORNING, subject_of
from support.openbao import RawOpenBao
from support.waiting import until_true

_HOUR = timedelta(hours=1)
_ANOTHER = "6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"
_FORMATS = ["transit", "compressed", "envelope"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shred")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(folder: Path) -> AsyncIterator[EmbeddedStack]:
    async with EmbeddedStack(folder / "stack") as stack:
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def raw(servers: EmbeddedStack) -> AsyncIterator[RawOpenBao]:
    async with RawOpenBao.of(servers) as raw:
        yield raw


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def installation(servers: EmbeddedStack, folder: Path) -> Installation:
    return Installation(await set_up(folder / "stack", servers.addresses, []), folder)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def _in_format(installation: Installation, chosen: str) -> Installation:
    """The same servers, with workers that write this format."""
    settings = installation.ready.settings
    cipher = evolve(settings.cipher, format=CipherFormat(chosen))
    ready = evolve(installation.ready, settings=evolve(settings, cipher=cipher))
    return evolve(installation, ready=ready)


async def _store(
    installation: Installation, fleet: Fleet, texts: int, chosen: str = "transit"
) -> None:
    """A registered device with so many texts, each a change."""
    await installation.register(fleet)
    bodies = [fleet.body(f"text {n}", MORNING + n * _HOUR) for n in range(texts)]
    await _in_format(installation, chosen).ingest(fleet, *bodies)


async def _publish(installation: Installation, fleet: Fleet, body: bytes) -> None:
    client = await connect(nats_connection(installation.ready.settings.nats))
    try:
        await client.jetstream().publish(subject_of(fleet.device), body, timeout=10)
    finally:
        await client.close()


async def _insert_foreign_row(installation: Installation, fleet: Fleet, text: str) -> None:
    """A row as the former subscriber wrote it: no run of ours is behind it."""
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        await admin.execute(
            "INSERT INTO router_config_snapshots (device_id, tenant_id, config_text, sha256_hash)"
            " VALUES ($1, $2, $3, 'no digest')",
            fleet.device,
            fleet.tenant,
            text,
        )


async def _count(installation: Installation, what: str, fleet: Fleet) -> int:
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        found: int = await admin.fetchval(
            f"SELECT count(*) FROM {what} WHERE tenant_id = $1", fleet.tenant
        )
    return found


async def _shred(installation: Installation, fleet: Fleet, *arguments: object) -> Ended:
    return await installation.command("shred", fleet.tenant, *arguments)


async def _shred_forever(installation: Installation, fleet: Fleet) -> dict[str, Any]:
    """The report of a shredding that went well."""
    file = installation.folder / f"{uuid4()}.json"
    ended = await _shred(
        installation, fleet, "--forever", "--confirm", fleet.tenant, "--report", file
    )
    assert ended.code == 0, ended.err
    report: dict[str, Any] = json.loads(file.read_text())
    return report


async def _key_state(raw: RawOpenBao, fleet: Fleet) -> KeyState:
    answer = await raw.request("GET", f"transit/keys/tenant_{fleet.tenant}")
    if answer.status_code == 404:
        return KeyState.GONE
    frozen = answer.raise_for_status().json()["data"]["soft_deleted"]
    return KeyState.FROZEN if frozen else KeyState.USABLE


@asynccontextmanager
async def _trial(installation: Installation) -> AsyncIterator[Trial]:
    """A trial with the reader's logins, as the command makes it."""
    settings = installation.ready.settings
    async with (
        await postgres_pool("reader.postgres", settings.reader.postgres) as pool,
        openbao("reader.openbao", settings.reader.openbao, settings, SystemClock()) as bao,
    ):
        yield Trial(PostgresTenantRows(pool), TransitDecryptor(bao))


async def test_a_frozen_tenant_is_shut_to_readers_and_opens_again(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await _store(installation, fleet, 2)
    before = datetime.now(UTC)
    file = installation.folder / "frozen.json"
    ended = await _shred(installation, fleet, "--report", file)
    assert (ended.code, ended.err) == (0, "")
    assert await _key_state(raw, fleet) is KeyState.FROZEN
    report = json.loads(file.read_text())
    assert (report["tenant"], report["key"]) == (str(fleet.tenant), "frozen")
    until = datetime.fromisoformat(report["data_keys_warm_until"])
    lifetime = installation.ready.settings.cipher.data_key_lifetime
    assert timedelta(seconds=-1) < until - before - lifetime < timedelta(minutes=1)
    assert report["data_keys_warm_until"] in ended.lines[1]
    shown = await installation.command("show", fleet.device)
    assert (shown.code, shown.out) == (1, b"")

    ended = await _shred(installation, fleet, "--restore")
    assert "works again" in ended.lines[0]
    assert await _key_state(raw, fleet) is KeyState.USABLE
    shown = await installation.command("show", fleet.device)
    assert shown.out == b"text 1"


async def test_what_comes_while_a_tenant_is_frozen_waits_and_is_stored_afterwards(
    installation: Installation, fleet: Fleet
) -> None:
    await _store(installation, fleet, 1)
    assert (await _shred(installation, fleet)).code == 0
    await installation.ingest(fleet, fleet.body("while frozen", MORNING + 5 * _HOUR))
    [entry] = [each for each in await installation.kept() if each.device_id == fleet.device]
    assert (entry.reason, entry.waiting) == ("key_missing", True)
    assert await installation.times(fleet) == [MORNING]

    assert (await _shred(installation, fleet, "--restore")).code == 0
    async with (
        open_ingestion(installation.ready.settings) as ingestion,
        ingestion.running(),
    ):

        async def is_stored() -> bool:
            return len(await installation.times(fleet)) == 2

        await until_true(is_stored)
    assert await installation.kept_of(fleet) == []
    shown = await installation.command("show", fleet.device)
    assert shown.out == b"while frozen"


async def test_a_worker_with_a_warm_data_key_goes_on_and_a_new_one_does_not(
    installation: Installation, fleet: Fleet
) -> None:
    await installation.register(fleet)
    envelope = _in_format(installation, "envelope")
    async with open_ingestion(envelope.ready.settings) as ingestion, ingestion.running():
        for rows, text in ((1, "before"), (2, "while frozen")):
            await _publish(installation, fleet, fleet.body(text, MORNING + rows * _HOUR))

            async def are_stored(rows: int = rows) -> bool:
                return len(await installation.times(fleet)) == rows

            await until_true(are_stored)
            assert (await _shred(installation, fleet)).code == 0
    await envelope.ingest(fleet, fleet.body("by a new worker", MORNING + 9 * _HOUR))
    assert len(await installation.times(fleet)) == 2
    assert len(await installation.kept_of(fleet)) == 1


async def test_what_waits_for_a_frozen_key_is_gone_after_the_key_is(
    installation: Installation, fleet: Fleet
) -> None:
    await _store(installation, fleet, 1)
    assert (await _shred(installation, fleet)).code == 0
    await installation.ingest(fleet, fleet.body("while frozen", MORNING + 5 * _HOUR))
    [entry_id] = await installation.kept_of(fleet)
    report = await _shred_forever(installation, fleet)
    assert report["erased"]["quarantined"] == 1
    assert await installation.kept_of(fleet) == []
    revealed = await installation.quarantine("show", entry_id, "--reveal")
    assert (revealed.code, revealed.out) == (1, b"")
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        content = await admin.fetchval(
            "SELECT ciphertext FROM snapshot_ingest.quarantine WHERE id = $1", entry_id
        )
    assert content is None


@pytest.mark.parametrize("chosen", _FORMATS)
async def test_after_a_shredding_no_row_opens_and_nothing_is_left_beside_the_rows(
    installation: Installation, raw: RawOpenBao, fleet: Fleet, chosen: str
) -> None:
    other = Fleet()
    await _store(installation, other, 2, chosen)
    await _store(installation, fleet, 3, chosen)
    foreign = await raw.encrypt(TenantKey(fleet.tenant), b"from before")
    await _insert_foreign_row(installation, fleet, foreign.text)
    async with _trial(installation) as trial:
        async for _ in trial.try_all(fleet.tenant):
            pass
        assert (trial.rows, trial.tried, trial.opened, trial.beyond_reach) == (4, 4, 4, 0)

    report = await _shred_forever(installation, fleet)
    assert report["key"] == "gone"
    assert await _key_state(raw, fleet) is KeyState.GONE
    assert report["rehearsal"] == {"tried": 4, "opened": 4}
    assert report["rows"] == {"found": 4, "tried": 4, "beyond_reach": 4, "opened": 0}
    keys = 1 if chosen == "envelope" else 0
    assert report["erased"] == {"heads": 1, "runs": 3, "data_keys": keys, "quarantined": 0}
    assert await _count(installation, "router_config_snapshots", fleet) == 4
    for table in ("heads", "snapshots", "data_keys"):
        assert await _count(installation, f"snapshot_ingest.{table}", fleet) == 0
    shown = await installation.command("show", other.device)
    assert shown.out == b"text 1"


async def test_the_report_names_what_may_still_hold_a_copy(
    installation: Installation, fleet: Fleet
) -> None:
    await _store(installation, fleet, 1)
    await installation.ingest(fleet, b"no snapshot of anybody's")
    unattributed = [each for each in await installation.kept() if each.tenant_id is None]
    report = await _shred_forever(installation, fleet)
    places = {each["where"]: each for each in report["may_still_hold_a_copy"]}
    assert {"the rows themselves", "the quarantine"} < set(places)
    assert places["the quarantine"]["messages"] == len(unattributed) > 0
    for word in ("raft snapshots", "PostgreSQL", "stream DEVICE_EVENTS"):
        assert any(word in where for where in places)


async def test_a_second_shredding_finishes_what_the_first_left(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await _store(installation, fleet, 2, "envelope")
    await raw.call("POST", f"transit/keys/tenant_{fleet.tenant}/config", deletion_allowed=True)
    await raw.call("DELETE", f"transit/keys/tenant_{fleet.tenant}")
    report = await _shred_forever(installation, fleet)
    assert report["rows"]["beyond_reach"] == 2
    assert report["erased"]["heads"] == 1
    again = await _shred_forever(installation, fleet)
    assert again["rows"] == {"found": 2, "tried": 2, "beyond_reach": 2, "opened": 0}
    assert again["erased"] == {"heads": 0, "runs": 0, "data_keys": 0, "quarantined": 0}


async def test_a_tenant_that_gets_another_key_starts_with_every_text_anew(
    installation: Installation, fleet: Fleet
) -> None:
    await _store(installation, fleet, 2)
    await _shred_forever(installation, fleet)
    await installation.command("provision", "--tenant", fleet.tenant)
    later = [fleet.body("text 1", MORNING + n * _HOUR) for n in (7, 8)]
    await installation.ingest(fleet, *later)
    shown = await installation.command("show", fleet.device)
    assert shown.out == b"text 1"
    assert await _count(installation, "snapshot_ingest.snapshots", fleet) == 1


async def test_a_head_goes_back_to_the_tenant_that_the_device_was_of_before(
    installation: Installation, fleet: Fleet
) -> None:
    former = Fleet(device=fleet.device)
    await _store(installation, former, 2)
    await installation.register(fleet)
    await installation.ingest(fleet, fleet.body("of the new owner", MORNING + 9 * _HOUR))
    await _shred_forever(installation, fleet)
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        head = await admin.fetchrow(
            "SELECT tenant_id, collected_at FROM snapshot_ingest.heads WHERE device_id = $1",
            fleet.device,
        )
    assert head is not None
    assert tuple(head.values()) == (former.tenant, MORNING + _HOUR)
    shown = await installation.command("show", fleet.device)
    assert shown.out == b"text 1"


async def test_a_worker_that_waits_for_a_head_that_is_erased_stores_all_the_same(
    installation: Installation, fleet: Fleet
) -> None:
    await _store(installation, fleet, 1)
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        erasing = admin.transaction()
        await erasing.start()
        await admin.fetch(
            "SELECT * FROM snapshot_ingest.erase_timelines($1, $2)", fleet.tenant, [fleet.device]
        )
        body = fleet.body("meanwhile", MORNING + 3 * _HOUR)
        ingesting = asyncio.create_task(installation.ingest(fleet, body))
        async with connected(installation.ready.addresses.postgres_admin_dsn) as watch:

            async def somebody_waits() -> bool:
                return bool(await watch.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

            await until_true(somebody_waits)
        await erasing.commit()
        await ingesting
    assert await installation.times(fleet) == [MORNING, MORNING + 3 * _HOUR]
    assert await installation.kept_of(fleet) == []


async def test_workers_lose_nothing_of_others_while_a_tenant_is_shredded(
    installation: Installation, fleet: Fleet
) -> None:
    other = Fleet()
    await _store(installation, other, 1)
    await _store(installation, fleet, 20)
    texts = [(n, MORNING + n * _HOUR) for n in range(30, 60)]
    await asyncio.gather(
        installation.ingest(other, *(other.body(f"text {n}", at) for n, at in texts)),
        installation.ingest(fleet, *(fleet.body(f"text {n}", at) for n, at in texts)),
        _shred_forever(installation, fleet),
    )
    assert len(await installation.times(other)) == 31
    report = await _shred_forever(installation, fleet)
    assert report["rows"]["opened"] == 0
    assert await installation.kept_of(fleet) == []
    assert await _count(installation, "snapshot_ingest.snapshots", fleet) == 0


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
        assert await _key_state(raw, fleet) is KeyState.GONE
        return
    assert (ended.code, ended.out) == (1, b"")
    assert await _key_state(raw, fleet) is KeyState.USABLE


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
    ended = await _shred(installation, fleet, *arguments)
    assert (ended.code, ended.out) == (1, b"")
    assert line in ended.err
    assert ended.err.count("\n") == 1
    assert await _key_state(raw, fleet) is KeyState.USABLE
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
    ended = await _shred(installation, fleet, *confirmed, "--report", file)
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
    await _store(installation, fleet, 1)
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        await admin.execute(f"REVOKE {right} FROM snapshot_ingest_operator")
        try:
            ended = await _shred(installation, fleet, "--forever", "--confirm", fleet.tenant)
        finally:
            await admin.execute(f"GRANT {right} TO snapshot_ingest_operator")
    assert (ended.code, ended.out) == (1, b"")
    assert ended.err.count("\n") == 1
    assert await _key_state(raw, fleet) is KeyState.USABLE


@pytest.mark.parametrize("setting", ["openbao.secret_id_file", "postgres.password_file"])
async def test_where_the_reader_cannot_log_in_the_key_stays(
    installation: Installation, raw: RawOpenBao, fleet: Fleet, setting: str
) -> None:
    wrong = installation.folder / "wrong.secret"
    wrong.write_text("not this")
    await _store(installation, fleet, 1)
    ended = await installation.command(
        *("--set", f"reader.{setting}={wrong}"),
        *("shred", fleet.tenant, "--forever", "--confirm", fleet.tenant),
    )
    assert (ended.code, ended.out) == (1, b"")
    assert ended.err.count("\n") == 1
    assert await _key_state(raw, fleet) is KeyState.USABLE


async def test_a_wrong_mount_is_no_deleted_key(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    url = installation.ready.addresses.openbao_url
    login = await raw.new_login_of_policies("test-everything")
    async with OpenBao(Address(url), login, SystemClock()) as bao:
        keys = TransitTenantKeys(bao, mount="elsewhere")
        for call in (keys.state, keys.freeze, keys.restore, keys.delete):
            with pytest.raises(Misconfigured):
                await call(fleet.tenant)


async def test_if_the_deleted_key_was_another_openbaos_nothing_is_erased(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await _store(installation, fleet, 2)
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
    assert await _count(installation, "snapshot_ingest.heads", fleet) == 1
    assert await _key_state(raw, fleet) is KeyState.USABLE


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
    assert await _key_state(raw, fleet) is KeyState.USABLE
