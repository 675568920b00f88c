"""`snapshot-ingest digest migrate` and workers with keyed digests, on the real servers."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import pytest

from snapshot_ingest.ingestion import open_ingestion
from snapshot_postgres import connected
from support.installation import Ended, Fleet, Installation
from support.messages import MORNING
from support.waiting import until_true

_HOUR = timedelta(hours=1)
_FORMATS = ["transit", "compressed", "envelope"]


def _text(number: int) -> str:
    return f"text {number} " * 20


def _bodies(fleet: Fleet, numbers: range) -> list[bytes]:
    return [fleet.body(_text(number), MORNING + number * _HOUR) for number in numbers]


async def _ask(installation: Installation, statement: str, *arguments: object) -> list[Any]:
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        return [tuple(row) for row in await admin.fetch(statement, *arguments)]


@pytest.fixture
async def ours(installation: Installation, fleet: Fleet) -> Installation:
    """A registered device in a database without a digest key, whatever tests ran before."""
    await _ask(installation, "DELETE FROM snapshot_ingest.digest_keys")
    await _ask(installation, "UPDATE snapshot_ingest.heads SET digest_key = NULL")
    await installation.register(fleet)
    return installation


async def _digests(installation: Installation, fleet: Fleet) -> set[str]:
    """Every digest that is kept of the device: at its rows, its runs and its head."""
    found = await _ask(
        installation,
        "SELECT sha256_hash FROM router_config_snapshots WHERE device_id = $1"
        " UNION SELECT encode(digest, 'hex') FROM snapshot_ingest.snapshots WHERE device_id = $1"
        " UNION SELECT encode(digest, 'hex') FROM snapshot_ingest.heads WHERE device_id = $1",
        fleet.device,
    )
    return {digest for (digest,) in found}


async def _count(installation: Installation, fleet: Fleet) -> int:
    statement = "SELECT count(*) FROM router_config_snapshots WHERE device_id = $1"
    [(rows,)] = await _ask(installation, statement, fleet.device)
    return int(rows)


async def _migrate(installation: Installation, fleet: Fleet, *options: str) -> Ended:
    return await installation.command(
        *("--set", "digest=keyed"),
        *("digest", "migrate", "--tenant", fleet.tenant, "--json"),
        *options,
    )


def _plain(numbers: range) -> set[str]:
    return {hashlib.sha256(_text(number).encode()).hexdigest() for number in numbers}


async def test_after_a_migration_no_plain_digest_is_left_and_everything_opens(
    ours: Installation, fleet: Fleet
) -> None:
    for place, chosen in enumerate(_FORMATS):
        numbers = range(3 * place, 3 * place + 3)
        await ours.in_format(chosen).ingest(fleet, *_bodies(fleet, numbers))
    assert await _digests(ours, fleet) == _plain(range(9))
    dry = await _migrate(ours, fleet, "--dry-run")
    assert dry.json == {"migrated": 0, "left": 0, "changed_meanwhile": 0, "plain": 9}
    ended = await _migrate(ours, fleet)
    assert ended.json == {"migrated": 9, "left": 0, "changed_meanwhile": 0, "plain": 0}
    digests = await _digests(ours, fleet)
    assert len(digests) == 9
    assert not digests & _plain(range(9))
    shown = await ours.command("show", fleet.device)
    assert shown.out == _text(8).encode()
    converted = await ours.command(
        "convert", "--to", "compressed", "--tenant", fleet.tenant, "--json"
    )
    assert converted.json["converted"] == 6


async def test_beside_a_worker_nothing_is_stored_twice(ours: Installation, fleet: Fleet) -> None:
    numbers = range(40)
    await ours.in_format("envelope").ingest(fleet, *_bodies(fleet, range(20)))
    keyed = ours.in_format("envelope").keyed()
    await keyed.publish(fleet, *_bodies(fleet, numbers), *_bodies(fleet, numbers))
    ended, _ = await asyncio.gather(_migrate(ours, fleet), keyed.work())
    again = await _migrate(ours, fleet)
    assert ended.code == again.code == 0, ended.err + again.err
    await keyed.redeliver_everything()
    assert await _count(ours, fleet) == 40
    assert not await _digests(ours, fleet) & _plain(numbers)
    assert (await ours.command("show", fleet.device)).out == _text(39).encode()


async def test_a_worker_with_plain_digests_pauses_beside_a_key_and_loses_nothing(
    ours: Installation, fleet: Fleet
) -> None:
    await ours.keyed().ingest(fleet, *_bodies(fleet, range(1)))
    await ours.publish(fleet, *_bodies(fleet, range(1, 2)))
    async with open_ingestion(ours.ready.settings) as ingestion, ingestion.running():

        async def says_why() -> bool:
            return 'digest = "keyed"' in (await ingestion.faults()).get("repository", "")

        await until_true(says_why)
    assert await _count(ours, fleet) == 1
    await ours.keyed().redeliver_everything()  # it would come back by itself within 30 s
    assert await _count(ours, fleet) == 2


async def test_while_digests_are_to_stay_plain_nothing_is_migrated(
    ours: Installation, fleet: Fleet
) -> None:
    await ours.ingest(fleet, *_bodies(fleet, range(2)))
    ended = await ours.command("digest", "migrate")
    assert ended.code == 1
    assert 'expected digest = "keyed"' in ended.err
    assert await _digests(ours, fleet) == _plain(range(2))
    assert await _ask(ours, "SELECT FROM snapshot_ingest.digest_keys") == []


async def test_without_the_owners_grant_it_says_so_and_changes_nothing(
    ours: Installation, fleet: Fleet
) -> None:
    await ours.ingest(fleet, *_bodies(fleet, range(2)))
    right = "UPDATE (config_text, sha256_hash) ON public.router_config_snapshots"
    await _ask(ours, f"REVOKE {right} FROM snapshot_ingest_operator")
    try:
        ended = await _migrate(ours, fleet)
    finally:
        await _ask(ours, f"GRANT {right} TO snapshot_ingest_operator")
    assert ended.code == 1
    assert "deploy/postgres/operator.sql" in ended.err
    assert await _digests(ours, fleet) == _plain(range(2))
