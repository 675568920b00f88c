"""`snapshot-ingest quarantine` on the real servers, set up as `up` does it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from attrs import evolve

from snapshot_ingest.embedded.setting_up import set_up
from snapshot_ingest.stack import EmbeddedStack
from snapshot_postgres import connected
from support.installation import Fleet, Installation
from support.messages import MORNING, subject_of

CANARY = "canary-5d1f0c77"
NOWHERE = "http://127.0.0.1:9"
_HOUR = timedelta(hours=1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def installation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    folder = tmp_path_factory.mktemp("quarantine")
    directory = folder / "stack"
    async with EmbeddedStack(directory) as stack:
        ready = await set_up(directory, stack.addresses, [])
        # An orphan is a person's at once, so that it is a person who replays it.
        settings = evolve(ready.settings, orphan_grace=timedelta(0))
        yield Installation(evolve(ready, settings=settings), folder)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


async def test_both_kinds_are_listed_and_shown_without_their_content(
    installation: Installation, fleet: Fleet
) -> None:
    orphan, malformed = fleet.body(CANARY), f'{{"config_text": "{CANARY}"'.encode()
    await installation.ingest(fleet, orphan, malformed)
    listed = await installation.quarantine("list", "--limit", 2, "--json")
    newest, before = listed.json
    assert (newest["reason"], newest["detail"], newest["device"]) == ("malformed", "not_json", None)
    assert (before["reason"], before["device"]) == ("orphan", str(fleet.device))
    assert (newest["bytes"], before["bytes"]) == (len(malformed), len(orphan))
    printed = [
        await installation.quarantine("list"),
        listed,
        await installation.quarantine("show", newest["id"]),
        await installation.quarantine("show", before["id"]),
    ]
    assert str(fleet.device) in printed[0].out.decode()
    assert f"subject         {subject_of(fleet.device)}" in printed[2].lines
    for ended in printed:
        assert ended.code == 0
        assert CANARY not in ended.out.decode() + ended.err
        assert "si1q:" not in ended.out.decode() + ended.err
    revealed = await installation.quarantine("show", before["id"], "--reveal")
    assert CANARY.encode() in revealed.out


@pytest.mark.parametrize("body", [b"[]", b"\xff\x00\r\n" + CANARY.encode() + b"\n\n", b""])
async def test_reveal_writes_the_body_byte_for_byte(
    installation: Installation, fleet: Fleet, body: bytes
) -> None:
    await installation.ingest(fleet, body)
    (newest, *_) = await installation.kept()
    revealed = await installation.quarantine("show", newest.entry_id, "--reveal")
    assert (revealed.code, revealed.out, revealed.err) == (0, body, "")


async def test_a_replay_stores_an_orphan_at_its_own_time_once_its_device_is_registered(
    installation: Installation, fleet: Fleet
) -> None:
    first, second = MORNING, MORNING + timedelta(hours=6)
    await installation.ingest(fleet, fleet.body("one", first), fleet.body("two", second))
    ended = await installation.quarantine("replay", "--device", fleet.device, "--json")
    assert (ended.json["orphaned"], ended.json["stored"]) == (2, 0)
    assert len(await installation.kept_of(fleet)) == 2
    await installation.register(fleet)
    ended = await installation.quarantine("replay", "--device", fleet.device, "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.json == {
        "stored": 2,
        "unchanged": 0,
        "already_stored": 0,
        "malformed": 0,
        "orphaned": 0,
        "refused": 0,
        "failed": 0,
        "unopened": 0,
        "untried": 0,
    }
    assert await installation.times(fleet) == [first, second]
    assert (await installation.command("show", fleet.device)).out == b"two"
    assert await installation.kept_of(fleet) == []


async def test_ids_may_be_replayed_in_any_order_and_each_only_while_it_is_kept(
    installation: Installation, fleet: Fleet
) -> None:
    await installation.ingest(fleet, fleet.body("one"), fleet.body("two", MORNING + _HOUR))
    second, first = await installation.kept_of(fleet)
    await installation.register(fleet)
    assert (
        "stored                 2" in (await installation.quarantine("replay", second, first)).lines
    )
    for arguments in (["replay", first], ["drop", first], ["show", first, "--reveal"]):
        ended = await installation.quarantine(*arguments)
        assert (ended.code, ended.out) == (1, b"")
        assert f"message {first} was replayed before" in ended.err
        assert ended.err.count("\n") == 1
    assert "state           replayed" in (await installation.quarantine("show", first)).lines


async def test_what_was_dropped_or_replayed_does_not_come_back_with_a_redelivery(
    installation: Installation, fleet: Fleet
) -> None:
    other = Fleet()
    await installation.ingest(fleet, fleet.body(CANARY))
    await installation.ingest(other, other.body("text"))
    (dropped,) = await installation.kept_of(fleet)
    assert (await installation.quarantine("drop", dropped)).lines == ["dropped 1"]
    await installation.register(other)
    await installation.quarantine("replay", "--device", other.device)
    before = await installation.kept()
    await installation.redeliver_everything()
    assert await installation.kept() == before
    assert await installation.kept_of(fleet) == []
    assert await installation.times(other) == [MORNING]
    assert "state           dropped" in (await installation.quarantine("show", dropped)).lines
    gone = await installation.quarantine("show", dropped, "--reveal")
    assert (gone.code, gone.out) == (1, b"")


async def test_what_waits_for_its_key_is_replayed_once_the_key_is_there(
    installation: Installation, fleet: Fleet
) -> None:
    await installation.register(fleet, with_key=False)
    await installation.ingest(fleet, fleet.body("text"))
    (entry,) = (await installation.quarantine("list", "--waiting", "--json")).json
    assert entry["reason"] == "key_missing"
    revealed = await installation.quarantine("show", entry["id"], "--reveal")
    assert revealed.out == fleet.body("text")
    await installation.register(fleet)
    await installation.quarantine("replay", "--reason", "key_missing")
    assert await installation.times(fleet) == [MORNING]
    assert await installation.kept_of(fleet) == []


async def test_what_a_sweep_handed_over_as_it_was_is_revealed_with_the_other_login(
    installation: Installation, fleet: Fleet
) -> None:
    await installation.register(fleet, with_key=False)
    await installation.ingest(fleet, fleet.body("text"))
    (entry_id,) = await installation.kept_of(fleet)
    async with connected(installation.ready.addresses.postgres_admin_dsn) as admin:
        await admin.execute(
            "UPDATE snapshot_ingest.quarantine SET waiting = false WHERE id = $1", entry_id
        )
    revealed = await installation.quarantine("show", entry_id, "--reveal")
    assert (revealed.code, revealed.out, revealed.err) == (0, fleet.body("text"), "")


async def test_a_person_reveals_what_is_not_waiting_without_a_login_of_the_ingest_role(
    installation: Installation, fleet: Fleet
) -> None:
    await installation.ingest(fleet, b"[]")
    (newest, *_) = await installation.kept()
    revealed = await installation.command(
        *("--set", f"openbao.secret_id_file={installation.folder / 'nowhere'}"),
        *("quarantine", "show", newest.entry_id, "--reveal"),
    )
    assert (revealed.code, revealed.out) == (0, b"[]")


async def test_while_nothing_can_be_opened_a_replay_says_so_and_everything_stays(
    installation: Installation, fleet: Fleet
) -> None:
    await installation.ingest(fleet, fleet.body(CANARY))
    ended = await installation.command(
        "--set",
        f"openbao.url={NOWHERE}",
        "quarantine",
        "replay",
        "--device",
        fleet.device,
        "--json",
    )
    assert (ended.code, ended.json["failed"], ended.json["untried"]) == (1, 0, 1)
    assert "OpenBao" in ended.err
    assert CANARY not in ended.err
    assert len(await installation.kept_of(fleet)) == 1


async def test_while_nothing_can_be_encrypted_a_replay_says_so_and_everything_stays(
    installation: Installation, fleet: Fleet
) -> None:
    await installation.ingest(fleet, fleet.body(CANARY), fleet.body("two", MORNING + _HOUR))
    await installation.register(fleet)
    ended = await installation.command(
        *("--set", f"reader.openbao.url={installation.ready.addresses.openbao_url}"),
        *("--set", f"openbao.url={NOWHERE}", "--set", "worker.batch_messages=1"),
        *("quarantine", "replay", "--device", fleet.device, "--json"),
    )
    assert (ended.code, ended.json["failed"], ended.json["untried"]) == (1, 1, 1)
    assert "the replay ended early: the cipher does not do its work now" in ended.err
    assert CANARY not in ended.err
    assert len(await installation.kept_of(fleet)) == 2


async def test_an_id_that_never_was_is_one_clear_line(installation: Installation) -> None:
    for arguments in (["show"], ["show", "--reveal"], ["replay"], ["drop"]):
        ended = await installation.quarantine(*arguments, 123_456)
        assert (ended.code, ended.out) == (1, b"")
        assert ended.err.startswith("snapshot-ingest: there is no message 123456")
        assert ended.err.count("\n") == 1


async def test_a_list_says_when_there_are_more(installation: Installation, fleet: Fleet) -> None:
    await installation.ingest(fleet, fleet.body("one"), fleet.body("two", MORNING + _HOUR))
    ended = await installation.quarantine("list", "--device", fleet.device, "--limit", 1)
    assert len(ended.lines) == 2
    assert "there are more than these 1" in ended.err
    ended = await installation.quarantine("list", "--device", fleet.device, "--limit", 2)
    assert (len(ended.lines), ended.err) == (3, "")
