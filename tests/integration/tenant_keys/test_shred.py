"""`snapshot-ingest shred` on the real servers: a freeze, a restore, and a deletion for good."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from snapshot_domain.ports import KeyState, TenantKey
from snapshot_domain.shredding import Trial
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import openbao, postgres_pool
from snapshot_ingest.ingestion import open_ingestion
from snapshot_openbao import TransitDecryptor
from snapshot_postgres import PostgresTenantRows, connected
from support.at_work import at_work
from support.installation import Fleet, Installation
from support.messages import MORNING
from support.openbao import RawOpenBao
from support.shredding import (
    count,
    insert_foreign_row,
    key_state,
    shred,
    shred_forever,
    store,
)
from support.waiting import until_true

_HOUR = timedelta(hours=1)
_FORMATS = ["transit", "compressed", "envelope"]


@asynccontextmanager
async def _trial(installation: Installation) -> AsyncIterator[Trial]:
    """A trial with the reader's logins, as the command makes it."""
    settings = installation.ready.settings
    async with (
        postgres_pool("reader.postgres", settings.reader.postgres) as pool,
        openbao("reader.openbao", settings.reader.openbao, settings, SystemClock()) as bao,
    ):
        yield Trial(PostgresTenantRows(pool), TransitDecryptor(bao))


async def test_a_frozen_tenant_is_shut_to_readers_and_opens_again(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await store(installation, fleet, 2)
    before = datetime.now(UTC)
    file = installation.folder / "frozen.json"
    ended = await shred(installation, fleet, "--report", file)
    assert (ended.code, ended.err) == (0, "")
    assert await key_state(raw, fleet) is KeyState.FROZEN
    report = json.loads(file.read_text())
    assert (report["tenant"], report["key"]) == (str(fleet.tenant), "frozen")
    until = datetime.fromisoformat(report["data_keys_warm_until"])
    lifetime = installation.ready.settings.cipher.data_key_lifetime
    assert timedelta(seconds=-1) < until - before - lifetime < timedelta(minutes=1)
    assert report["data_keys_warm_until"] in ended.lines[1]
    shown = await installation.command("show", fleet.device)
    assert (shown.code, shown.out) == (1, b"")

    ended = await shred(installation, fleet, "--restore")
    assert "works again" in ended.lines[0]
    assert await key_state(raw, fleet) is KeyState.USABLE
    shown = await installation.command("show", fleet.device)
    assert shown.out == b"text 1"


async def test_what_comes_while_a_tenant_is_frozen_waits_and_is_stored_afterwards(
    installation: Installation, fleet: Fleet
) -> None:
    await store(installation, fleet, 1)
    assert (await shred(installation, fleet)).code == 0
    await installation.ingest(fleet, fleet.body("while frozen", MORNING + 5 * _HOUR))
    [entry] = [each for each in await installation.kept() if each.device_id == fleet.device]
    assert (entry.reason, entry.waiting) == ("key_missing", True)
    assert await installation.times(fleet) == [MORNING]

    assert (await shred(installation, fleet, "--restore")).code == 0
    async with (
        open_ingestion(installation.ready.settings) as ingestion,
        at_work(ingestion),
    ):

        async def is_stored() -> bool:
            return len(await installation.times(fleet)) == 2

        await until_true(is_stored)

        async def is_released() -> bool:
            return await installation.kept_of(fleet) == []

        await until_true(is_released)
    shown = await installation.command("show", fleet.device)
    assert shown.out == b"while frozen"


async def test_a_worker_with_a_warm_data_key_goes_on_and_a_new_one_does_not(
    installation: Installation, fleet: Fleet
) -> None:
    await installation.register(fleet)
    envelope = installation.in_format("envelope")
    async with open_ingestion(envelope.ready.settings) as ingestion, at_work(ingestion):
        for rows, text in ((1, "before"), (2, "while frozen")):
            await installation.publish(fleet, fleet.body(text, MORNING + rows * _HOUR))

            async def are_stored(rows: int = rows) -> bool:
                return len(await installation.times(fleet)) == rows

            await until_true(are_stored)
            assert (await shred(installation, fleet)).code == 0
    await envelope.ingest(fleet, fleet.body("by a new worker", MORNING + 9 * _HOUR))
    assert len(await installation.times(fleet)) == 2
    assert len(await installation.kept_of(fleet)) == 1


async def test_what_waits_for_a_frozen_key_is_gone_after_the_key_is(
    installation: Installation, fleet: Fleet
) -> None:
    await store(installation, fleet, 1)
    assert (await shred(installation, fleet)).code == 0
    await installation.ingest(fleet, fleet.body("while frozen", MORNING + 5 * _HOUR))
    [entry_id] = await installation.kept_of(fleet)
    report = await shred_forever(installation, fleet)
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
    await store(installation, other, 2, chosen)
    await store(installation, fleet, 3, chosen)
    foreign = await raw.encrypt(TenantKey(fleet.tenant), b"from before")
    await insert_foreign_row(installation, fleet, foreign.text)
    async with _trial(installation) as trial:
        async for _ in trial.try_all(fleet.tenant):
            pass
        assert (trial.rows, trial.tried, trial.opened, trial.beyond_reach) == (4, 4, 4, 0)

    report = await shred_forever(installation, fleet)
    assert report["key"] == "gone"
    assert await key_state(raw, fleet) is KeyState.GONE
    assert report["rehearsal"] == {"tried": 4, "opened": 4}
    assert report["rows"] == {"found": 4, "tried": 4, "beyond_reach": 4, "opened": 0}
    keys = 1 if chosen == "envelope" else 0
    assert report["erased"] == {"heads": 1, "runs": 3, "data_keys": keys, "quarantined": 0}
    assert await count(installation, "router_config_snapshots", fleet) == 4
    for table in ("heads", "snapshots", "data_keys"):
        assert await count(installation, f"snapshot_ingest.{table}", fleet) == 0
    shown = await installation.command("show", other.device)
    assert shown.out == b"text 1"


async def test_the_report_names_what_may_still_hold_a_copy(
    installation: Installation, fleet: Fleet
) -> None:
    await store(installation, fleet, 1)
    await installation.ingest(fleet, b"no snapshot of anybody's")
    unattributed = [each for each in await installation.kept() if each.tenant_id is None]
    report = await shred_forever(installation, fleet)
    places = {each["where"]: each for each in report["may_still_hold_a_copy"]}
    assert {"the rows themselves", "the quarantine"} < set(places)
    assert places["the quarantine"]["messages"] == len(unattributed) > 0
    for word in ("raft snapshots", "PostgreSQL", "stream DEVICE_EVENTS"):
        assert any(word in where for where in places)


async def test_a_second_shredding_finishes_what_the_first_left(
    installation: Installation, raw: RawOpenBao, fleet: Fleet
) -> None:
    await store(installation, fleet, 2, "envelope")
    await raw.call("POST", f"transit/keys/tenant_{fleet.tenant}/config", deletion_allowed=True)
    await raw.call("DELETE", f"transit/keys/tenant_{fleet.tenant}")
    report = await shred_forever(installation, fleet)
    assert report["rows"]["beyond_reach"] == 2
    assert report["erased"]["heads"] == 1
    again = await shred_forever(installation, fleet)
    assert again["rows"] == {"found": 2, "tried": 2, "beyond_reach": 2, "opened": 0}
    assert again["erased"] == {"heads": 0, "runs": 0, "data_keys": 0, "quarantined": 0}


async def test_a_tenant_that_gets_another_key_starts_with_every_text_anew(
    installation: Installation, fleet: Fleet
) -> None:
    await store(installation, fleet, 2)
    await shred_forever(installation, fleet)
    await installation.command("provision", "--tenant", fleet.tenant)
    later = [fleet.body("text 1", MORNING + n * _HOUR) for n in (7, 8)]
    await installation.ingest(fleet, *later)
    shown = await installation.command("show", fleet.device)
    assert shown.out == b"text 1"
    assert await count(installation, "snapshot_ingest.snapshots", fleet) == 1


async def test_a_head_goes_back_to_the_tenant_that_the_device_was_of_before(
    installation: Installation, fleet: Fleet
) -> None:
    former = Fleet(device=fleet.device)
    await store(installation, former, 2)
    await installation.register(fleet)
    await installation.ingest(fleet, fleet.body("of the new owner", MORNING + 9 * _HOUR))
    await shred_forever(installation, fleet)
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
    await store(installation, fleet, 1)
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
    await store(installation, other, 1)
    await store(installation, fleet, 20)
    texts = [(n, MORNING + n * _HOUR) for n in range(30, 60)]
    await asyncio.gather(
        installation.ingest(other, *(other.body(f"text {n}", at) for n, at in texts)),
        installation.ingest(fleet, *(fleet.body(f"text {n}", at) for n, at in texts)),
        shred_forever(installation, fleet),
    )
    assert len(await installation.times(other)) == 31
    report = await shred_forever(installation, fleet)
    assert report["rows"]["opened"] == 0
    assert await installation.kept_of(fleet) == []
    assert await count(installation, "snapshot_ingest.snapshots", fleet) == 0
