"""Which devices, and which polls at which times, files and folders stand for."""

import itertools
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest

from snapshot_domain.model import Snapshot, TenantId
from snapshot_ingest.poller import message_of
from snapshot_ingest.publish_paths import (
    Publication,
    PublishError,
    parse_start,
    parse_tenant,
    publication_of,
)
from snapshot_json import JsonSnapshotDecoder
from support.corpus import corpus_root

TENANT = TenantId(UUID("c2a9d7f4-1b3e-4c66-8f20-7d5e6f708192"))
NOW = datetime(2026, 4, 2, 6, 15, 9, 123_456, tzinfo=UTC)
NOW_IN_SECONDS = NOW.replace(microsecond=0)
SIX_HOURS = timedelta(hours=6)


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"hostname {name}\n")


def publish(
    *arguments: Path, start: datetime | None = None, repeat: int = 1, now: datetime = NOW
) -> Publication:
    return publication_of(arguments, tenant_id=TENANT, now=now, start=start, repeat=repeat)


def named(name: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"snapshot-ingest:{name}")


def ids(publication: Publication) -> set[UUID]:
    return {device.device_id for device in publication.devices}


def schedule(publication: Publication) -> list[tuple[str, datetime]]:
    return [(Path(poll.path).name, poll.collected_at) for poll in publication.polls()]


def error_of(arguments: Sequence[Path], *, start: datetime | None = None, repeat: int = 1) -> str:
    with pytest.raises(PublishError) as raised:
        publish(*arguments, start=start, repeat=repeat)
    assert raised.value.__context__ is None
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_file_is_a_device_named_by_its_path_from_the_arguments_parent(tmp_path: Path) -> None:
    write(tmp_path, "site/north/shed.rsc", "site/barn.rsc")
    assert ids(publish(tmp_path / "site")) == {
        named("site/north/shed.rsc"),
        named("site/barn.rsc"),
    }
    assert ids(publish(tmp_path / "site" / "barn.rsc")) == {named("barn.rsc")}


def test_a_devices_id_does_not_depend_on_how_the_argument_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "site/barn.rsc", "site/north/shed.rsc")
    expected = ids(publish(tmp_path / "site"))
    monkeypatch.chdir(tmp_path)
    assert ids(publish(Path("site"))) == expected
    assert ids(publish(Path("site/"))) == expected
    monkeypatch.chdir(tmp_path / "site")
    assert ids(publish(Path())) == expected
    monkeypatch.chdir(tmp_path / "site" / "north")
    assert ids(publish(Path(".."))) == expected


def test_a_folder_of_numbered_files_is_one_device_over_time(tmp_path: Path) -> None:
    write(tmp_path, "tower/0003.cfg", "tower/0001.cfg", "tower/0010.cfg")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    publication = publish(tmp_path / "tower", start=start)
    assert [device.device_id for device in publication.devices] == [named("tower")]
    assert [device.tenant_id for device in publication.devices] == [TENANT]
    assert [device.name for device in publication.devices] == ["tower"]
    assert schedule(publication) == [
        ("0001.cfg", start + 1 * SIX_HOURS),
        ("0003.cfg", start + 3 * SIX_HOURS),
        ("0010.cfg", start + 10 * SIX_HOURS),
    ]


def test_numbers_are_compared_as_numbers(tmp_path: Path) -> None:
    write(tmp_path, "tower/9.cfg", "tower/10.cfg", "tower/100")
    assert [name for name, _ in schedule(publish(tmp_path))] == ["9.cfg", "10.cfg", "100"]


@pytest.mark.parametrize("odd_one", ["notes.txt", "1a.cfg", ".hidden", "٣.cfg", "1.tar.gz"])
def test_one_name_that_is_no_number_makes_every_file_a_device(tmp_path: Path, odd_one: str) -> None:
    write(tmp_path, "tower/1.cfg", "tower/2.cfg", f"tower/{odd_one}")
    assert ids(publish(tmp_path / "tower")) == {
        named("tower/1.cfg"),
        named("tower/2.cfg"),
        named(f"tower/{odd_one}"),
    }


def test_the_last_file_of_the_longest_series_is_collected_now(tmp_path: Path) -> None:
    write(tmp_path, "all/short/1.cfg", "all/long/1.cfg", "all/long/4.cfg", "all/single.rsc")
    times = dict.fromkeys(["single.rsc", "1.cfg", "4.cfg"], NOW)
    times |= dict(schedule(publish(tmp_path / "all")))
    assert times["4.cfg"] == NOW_IN_SECONDS
    assert times["1.cfg"] == NOW_IN_SECONDS - 3 * SIX_HOURS
    assert times["single.rsc"] == NOW_IN_SECONDS - 4 * SIX_HOURS


def test_without_a_series_every_file_is_collected_now(tmp_path: Path) -> None:
    write(tmp_path, "a.rsc", "b.rsc")
    assert {moment for _, moment in schedule(publish(tmp_path))} == {NOW_IN_SECONDS}


def test_with_a_start_a_single_file_is_collected_then(tmp_path: Path) -> None:
    write(tmp_path, "a.rsc")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert schedule(publish(tmp_path / "a.rsc", start=start)) == [("a.rsc", start)]


def test_polls_come_in_the_order_of_their_time(tmp_path: Path) -> None:
    write(tmp_path, "x/one/1", "x/one/3", "x/two/2", "x/two/1", "x/single", "x/z/5")
    moments = [moment for _, moment in schedule(publish(tmp_path / "x", repeat=3))]
    assert moments == sorted(moments)
    assert len(moments) == 18


def test_a_repeat_begins_six_hours_after_the_end_and_ends_now(tmp_path: Path) -> None:
    write(tmp_path, "tower/1.cfg", "tower/2.cfg")
    publication = publish(tmp_path / "tower", repeat=2)
    assert publication.poll_count == 4
    assert schedule(publication) == [
        ("1.cfg", NOW_IN_SECONDS - 3 * SIX_HOURS),
        ("2.cfg", NOW_IN_SECONDS - 2 * SIX_HOURS),
        ("1.cfg", NOW_IN_SECONDS - 1 * SIX_HOURS),
        ("2.cfg", NOW_IN_SECONDS),
    ]


def test_a_single_file_is_repeated_six_hours_later(tmp_path: Path) -> None:
    write(tmp_path, "a.rsc")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [moment for _, moment in schedule(publish(tmp_path, start=start, repeat=3))]
    assert moments == [start, start + SIX_HOURS, start + 2 * SIX_HOURS]


def test_a_file_is_read_only_when_its_turn_comes(tmp_path: Path) -> None:
    write(tmp_path, "a.rsc", "b.rsc")
    polls = publish(tmp_path).polls()
    assert next(polls).text.reveal() == b"hostname a.rsc\n"
    (tmp_path / "b.rsc").write_bytes(b"\xff changed since")
    assert next(polls).text.reveal() == b"\xff changed since"


def test_a_file_that_vanishes_in_between_is_one_clear_line(tmp_path: Path) -> None:
    write(tmp_path, "a.rsc")
    polls = publish(tmp_path).polls()
    (tmp_path / "a.rsc").unlink()
    with pytest.raises(PublishError, match=r"a\.rsc.*cannot be read: No such file") as raised:
        next(polls)
    assert raised.value.__context__ is None


def test_hidden_files_count_and_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "site/.hidden", "site/.git/config", "elsewhere/x.rsc")
    (tmp_path / "site" / "loop").symlink_to(tmp_path / "site")
    (tmp_path / "site" / "broken").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "site" / "pipe")
    assert ids(publish(tmp_path / "site")) == {named("site/.hidden"), named("site/.git/config")}


def test_two_arguments_that_give_one_id_are_an_error_naming_both(tmp_path: Path) -> None:
    write(tmp_path, "north/shed.rsc", "south/shed.rsc")
    north, south = tmp_path / "north" / "shed.rsc", tmp_path / "south" / "shed.rsc"
    message = error_of([north, south])
    assert str(north) in message
    assert str(south) in message
    assert str(named("shed.rsc")) in message


def test_a_series_and_a_file_that_give_one_id_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, "north/tower/1.cfg", "south/tower")
    assert "both device" in error_of([tmp_path / "north" / "tower", tmp_path / "south" / "tower"])


def test_the_same_argument_twice_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "site/a.rsc")
    assert "both device" in error_of([tmp_path / "site", tmp_path / "site"])


def test_arguments_that_give_different_ids_may_be_given_together(tmp_path: Path) -> None:
    write(tmp_path, "north/a.rsc", "south/a.rsc")
    publication = publish(tmp_path / "north", tmp_path / "south")
    assert ids(publication) == {named("north/a.rsc"), named("south/a.rsc")}


def test_a_missing_path_is_one_clear_line(tmp_path: Path) -> None:
    assert "nowhere' is not there" in error_of([tmp_path / "nowhere"])


def test_a_path_that_the_system_refuses_is_one_clear_line(tmp_path: Path) -> None:
    assert "cannot be read: File name too long" in error_of([tmp_path / ("x" * 300)])


def test_something_that_is_neither_file_nor_folder_is_one_clear_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "neither a file nor a folder" in error_of([tmp_path / "pipe"])


def test_an_empty_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "empty" / "inside").mkdir(parents=True)
    assert "no file below" in error_of([tmp_path / "empty"])


def test_no_argument_at_all_is_one_clear_line() -> None:
    assert "nothing to publish" in error_of([])


@pytest.mark.parametrize("method", ["open", "iterdir"])
def test_what_cannot_be_read_is_found_before_anything_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    write(tmp_path, "site/a.rsc")

    def denied(*_: object) -> None:  # the tests may run as root, whom no mode keeps out
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, method, denied)
    assert "cannot be read: Permission denied" in error_of([tmp_path / "site"])


def test_a_name_that_is_not_utf8_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.rsc")).write_text("x")
    assert "is not UTF-8" in error_of([tmp_path])


@pytest.mark.parametrize("name", ["20260402.cfg", "9" * 200])
@pytest.mark.parametrize("start", [None, NOW])
def test_numbers_that_lead_out_of_time_are_one_clear_line(
    tmp_path: Path, name: str, start: datetime | None
) -> None:
    write(tmp_path, f"tower/{name}")
    assert "outside of the years" in error_of([tmp_path / "tower"], start=start)


def test_repeating_less_than_once_is_one_clear_line(tmp_path: Path) -> None:
    write(tmp_path, "a.rsc")
    assert "--repeat is 0" in error_of([tmp_path], repeat=0)


def test_a_start_is_read_with_its_offset() -> None:
    expected = datetime(2026, 4, 2, 4, 15, 9, tzinfo=UTC)
    assert parse_start("2026-04-02T06:15:09+02:00") == expected
    assert parse_start("2026-04-02T04:15:09Z") == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-04-02", "2026-04-02T06:15:09", "0001-01-01T00:00:00+01:00"]
)
def test_a_bad_start_is_one_clear_line(text: str) -> None:
    with pytest.raises(PublishError, match=r"--start .* is no time with an offset") as raised:
        parse_start(text)
    assert raised.value.__context__ is None


def test_a_tenant_is_read() -> None:
    assert parse_tenant(str(TENANT).upper()) == TENANT


@pytest.mark.parametrize("text", ["", "acme", f"{{{TENANT}}}", str(TENANT)[:-1], f"{TENANT}\n"])
def test_a_bad_tenant_is_one_clear_line(text: str) -> None:
    with pytest.raises(PublishError, match=r"--tenant .* is no UUID"):
        parse_tenant(text)


def test_the_corpus_becomes_messages_that_can_be_decoded(tmp_path: Path) -> None:
    root = corpus_root(tmp_path)
    publication = publish(root)
    files = sum(path.is_file() for path in root.rglob("*"))
    assert publication.poll_count == files
    series = [device for device in publication.devices if device.path.parent.name == "series"]
    assert series
    assert all(device.path.is_dir() for device in series)
    decoded = 0
    for poll in publication.polls():
        _, body = message_of(poll)
        snapshot = JsonSnapshotDecoder().decode(body)
        assert isinstance(snapshot, Snapshot), poll.path
        assert snapshot.collected_at == poll.collected_at
        decoded += 1
    assert decoded == files


def test_the_same_files_give_the_same_polls_again(tmp_path: Path) -> None:
    root = corpus_root(tmp_path)
    for first, again in itertools.zip_longest(publish(root).polls(), publish(root).polls()):
        assert first == again
        assert first.text.reveal() == again.text.reveal()
