"""The simulator's configurations: lifelike in size, in their secrets and in what changes."""

import difflib
import statistics

import pytest

from snapshot_ingest.simulator.routeros import export_of

SEED = 7


def text(device: int, version: int = 0) -> str:
    return export_of(SEED, device, version).reveal().decode()


def test_sizes_lie_between_2_and_200_kb_and_most_are_small() -> None:
    sizes = [export_of(SEED, device, 0).size_bytes for device in range(8_000)]
    assert min(sizes) >= 2_000
    assert max(sizes) <= 200_000
    assert 5_000 < statistics.median(sizes) < 12_000
    assert statistics.mean(sizes) > 1.2 * statistics.median(sizes)
    assert sum(size > 50_000 for size in sizes) > 20
    assert sum(size < 16_000 for size in sizes) > 6_000


@pytest.mark.parametrize("device", range(20))
def test_an_export_holds_every_kind_of_secret(device: int) -> None:
    export = text(device)
    for marker in (
        "/user\nadd group=full name=operator password=pw-",
        "/ppp secret\nadd name=customer-",
        "private-key=",
        "preshared-key=",
        "/snmp community\n",
        "/ip ipsec identity\nadd peer=head-office secret=pw-",
        "wpa2-pre-shared-key=pw-",
        "/radius\nadd address=10.0.0.5 secret=pw-",
    ):
        assert marker in export, marker


def test_an_export_is_made_of_sections_with_entries() -> None:
    for device in range(20):
        lines = text(device).splitlines()
        assert lines[0].startswith("# software id = ")
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            assert line.startswith(("#", "/", "add ", "set "))
            if line.startswith("/"):
                assert following.startswith(("add ", "set ")), line


def test_two_devices_share_no_secret() -> None:
    one, other = set(text(1).split()), set(text(2).split())
    shared = {word for word in one & other if "pw-" in word or "-key=" in word}
    assert shared == set()


def test_an_edit_changes_or_adds_one_line() -> None:
    for device in range(40):
        before, after = text(device, 3).splitlines(), text(device, 4).splitlines()
        changed = [
            line
            for line in difflib.unified_diff(before, after, n=0, lineterm="")
            if line[0] in "+-" and line[:3] not in {"+++", "---"}
        ]
        assert 1 <= len(changed) <= 2


def test_every_version_is_another_text_and_each_always_the_same() -> None:
    for device in range(20):
        versions = [text(device, version) for version in range(8)]
        assert len(set(versions)) == 8
        assert versions == [text(device, version) for version in range(8)]


def test_an_export_is_sealed() -> None:
    assert "pw-" not in repr(export_of(SEED, 1, 0))
