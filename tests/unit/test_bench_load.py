"""The bench's texts and messages: of the exact size, the same each time, some unchanged."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_ingest.bench.case import Case
from snapshot_ingest.bench.load import Load, first_of_a_new_turn, fleet_of
from snapshot_ingest.bench.texts import Texts
from snapshot_ingest.command_errors import UsageError

SIZE = 2048


def load_of(case: Case) -> Load:
    return Load(case, Texts(case.size_bytes), fleet_of(case))


def fields_of(load: Load, first: int, count: int) -> list[dict[str, str]]:
    return [json.loads(body.reveal()) for _, body in load.messages(first, count)]


@pytest.mark.parametrize("size", [1024, SIZE, 65_536])
def test_a_text_has_exactly_its_size(size: int) -> None:
    texts = Texts(size)
    for device, version in [(0, 0), (0, 1), (63, 0), (64, 10**6), (10**6, 3)]:
        assert texts.text(device, version).size_bytes == size


def test_another_device_and_another_version_have_another_text() -> None:
    texts = Texts(SIZE)
    places = [(device, version) for device in range(130) for version in range(3)]
    assert len({texts.text(*place).reveal() for place in places}) == len(places)


def test_the_same_device_and_version_have_the_same_text_each_time() -> None:
    assert Texts(SIZE).text(5, 7).reveal() == Texts(SIZE).text(5, 7).reveal()


def test_texts_of_a_folder_are_made_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a.rsc").write_text("/interface bridge ünïcode\n")
    (tmp_path / "b.bin").write_bytes(b"\xff\xfe no text")
    text = Texts(SIZE, tmp_path).text(0, 0)
    assert text.size_bytes == SIZE
    assert text.reveal().decode().startswith("/interface bridge ünïcode\n/interface bridge")


def test_a_character_that_is_cut_leaves_the_text_in_utf_8_and_of_its_size(tmp_path: Path) -> None:
    for padding in range(4):
        (tmp_path / "a.rsc").write_text("x" * padding + "\N{GRINNING FACE}" * 300)
        text = Texts(1024, tmp_path).text(0, 0)
        assert text.size_bytes == 1024
        assert text.reveal().decode()


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_folder_without_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(UsageError, match="no folder that holds text"):
        Texts(SIZE, tmp_path)


def test_the_same_numbers_give_the_same_messages() -> None:
    case = Case(SIZE, tenants=3, unchanged_percent=50)
    assert fields_of(load_of(case), 9_500, 20) == fields_of(load_of(case), 9_500, 20)


def test_a_message_is_the_same_whatever_was_asked_before() -> None:
    load = load_of(Case(SIZE, unchanged_percent=90))
    late = fields_of(load, 17_000, 5)
    early = fields_of(load, 10, 5)
    assert fields_of(load, 17_000, 5) == late
    assert fields_of(load, 10, 5) == early


def test_each_message_is_newer_than_the_one_before() -> None:
    messages = fields_of(load_of(Case(SIZE)), 0, 1_200)
    times = [datetime.fromisoformat(fields["collected_at"]) for fields in messages]
    assert times == sorted(set(times))


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 400))
def test_with_other_devices_nobody_is_given_a_text_again_or_an_earlier_time(
    before: int, after: int, number: int
) -> None:
    first = first_of_a_new_turn(number, before, after)
    assert first >= number
    # A device may keep its place: what it is given next is of a later turn than all before.
    given = [divmod(each, before) for each in range(number)]
    last_turn_of_place = {place: turn for turn, place in given}
    next_turn_of_place = {
        place: turn for turn, place in (divmod(first + each, after) for each in range(after))
    }
    shared = last_turn_of_place.keys() & next_turn_of_place.keys()
    assert all(next_turn_of_place[place] > last_turn_of_place[place] for place in shared)


def test_devices_belong_to_all_tenants() -> None:
    load = load_of(Case(SIZE, tenants=7))
    fields = fields_of(load, 0, load.devices.device_count)
    assert len({each["device_id"] for each in fields}) == load.devices.device_count
    assert len({each["tenant_id"] for each in fields}) == 7


def test_loads_of_other_numbers_of_tenants_have_other_devices() -> None:
    one, two = (fleet_of(Case(tenants=tenants)) for tenants in (1, 2))
    assert {each.device_id for each in one.devices()}.isdisjoint(
        each.device_id for each in two.devices()
    )


@pytest.mark.parametrize("percent", [0, 50, 90, 99])
def test_so_many_are_unchanged_and_the_load_knows_how_many_change(percent: int) -> None:
    load = load_of(Case(1024, unchanged_percent=percent))
    devices, count = load.devices.device_count, 9_000
    changed = 0
    seen = {str(device.device_id): digest.hex for device, digest in load.seeds()}
    for fields in fields_of(load, 0, count):
        changed += seen[fields["device_id"]] != fields["sha256_hash"]
        seen[fields["device_id"]] = fields["sha256_hash"]
    assert changed == load.changes(0, count)
    assert load.changes(0, count) == load.changes(0, devices) + load.changes(
        devices, count - devices
    )
    assert changed / count == pytest.approx(1 - percent / 100, abs=0.03)
