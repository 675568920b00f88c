"""The quarantine's commands without a server: what is typed, what is shown, who opens what."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
from attrs import define, evolve, field

from snapshot_domain.delivery import Origin
from snapshot_domain.errors import Dependency, Refused, Unavailable
from snapshot_domain.model import Ciphertext, DeviceId
from snapshot_domain.ports import (
    DecryptorItem,
    OwnKey,
    QuarantineEntry,
    QuarantineId,
    QuarantineReason,
    QuarantineSelection,
    QuarantineState,
)
from snapshot_domain.ports.decryptor import DecryptorAnswer
from snapshot_domain.secret import RawMessage
from snapshot_ingest.__main__ import main
from snapshot_ingest.command_errors import UsageError
from snapshot_ingest.quarantine.arguments import parse_chosen, parse_ids, parse_selection
from snapshot_ingest.quarantine.decryptor import QuarantineDecryptor
from snapshot_ingest.quarantine.view import as_json, details, lines
from support.unchanged_logging import unchanged_logging

__all__ = ["unchanged_logging"]

DEVICE = "6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"
NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
ENTRY = QuarantineEntry(
    entry_id=QuarantineId(7),
    state=QuarantineState.KEPT,
    origin=Origin("DEVICE_EVENTS", NOON, 3),
    subject=f"config.snapshot.create.{DEVICE}",
    received_at=NOON,
    reason=QuarantineReason.ORPHAN,
    detail="",
    waiting=False,
    device_id=DeviceId(UUID(DEVICE)),
    tenant_id=None,
    size_bytes=16_384,
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["list", "--reason", "ugly"], "'ugly' is not known; expected malformed, orphan, "),
        (["list", "--tenant", "acme"], "--tenant 'acme' is no UUID"),
        (["list", "--device", "r1"], "--device 'r1' is no UUID"),
        (["show", "0"], "'0' is no id"),
        (["show", "٣", "--reveal"], "'٣' is no id"),
        (["drop", "1", "9" * 30], "is no id"),
        (["replay"], "it is not clear which messages are meant"),
        (["replay", "1", "--all"], "it is not clear which messages are meant"),
        (["replay", "1", "--reason", "orphan"], "it is not clear which messages are meant"),
        (["replay", "--all", "--waiting"], "it is not clear which messages are meant"),
    ],
)
def test_a_wrong_input_is_one_clear_line(
    arguments: list[str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["snapshot-ingest", "quarantine", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == 1
    assert out == ""
    assert err.startswith("snapshot-ingest: ")
    assert err.count("\n") == 1
    assert expected in err


def test_ids_are_taken_once_each_in_their_order() -> None:
    assert parse_ids(["3", "1", "3"]) == [3, 1]


def test_what_is_chosen_is_ids_or_a_selection_or_everything() -> None:
    orphans = parse_selection(reason="orphan", tenant=None, device=DEVICE, waiting=False)
    assert orphans == QuarantineSelection(
        reason=QuarantineReason.ORPHAN, device_id=DeviceId(UUID(DEVICE)), waiting=False
    )
    nothing = QuarantineSelection()
    assert parse_chosen(["2"], nothing, everything=False) == [2]
    assert parse_chosen([], orphans, everything=False) == orphans
    assert parse_chosen([], nothing, everything=True) == nothing
    with pytest.raises(UsageError):
        parse_chosen([], nothing, everything=False)


def test_a_list_has_a_line_for_each_in_columns() -> None:
    malformed = evolve(
        ENTRY,
        entry_id=QuarantineId(12),
        reason=QuarantineReason.MALFORMED,
        detail="not_json",
        device_id=None,
    )
    heading, first, second = lines([ENTRY, malformed])
    columns = ["id", "received", "reason", "detail", "waiting", "bytes", "device", "tenant"]
    assert heading.split() == columns
    assert first.split() == ["7", "2026-04-02T12:00:00Z", "orphan", "-", "no", "16384", DEVICE, "-"]
    assert second.split()[:4] == ["12", "2026-04-02T12:00:00Z", "malformed", "not_json"]
    assert heading.index("bytes") == first.index("16384") == second.index("16384")


def test_nothing_to_list_is_the_heading_alone() -> None:
    assert len(list(lines([]))) == 1


def test_details_name_every_fact() -> None:
    shown = list(details(ENTRY))
    assert shown[:2] == ["id              7", "state           kept"]
    assert shown[-1] == "sequence        3"
    assert len(shown) == len(as_json(ENTRY))


def test_a_subject_cannot_steer_the_terminal() -> None:
    hostile = evolve(ENTRY, subject="config.\x1b[2J\x07[red]\n\udc80")
    (line,) = [line for line in details(hostile) if line.startswith("subject")]
    assert line.endswith(r"config.\x1b[2J\x07[red]\n\udc80")
    assert all(character.isprintable() for character in line)


@define
class _Decryptor:
    """Opens what it is asked for with its own name."""

    name: bytes
    asked: list[OwnKey] = field(factory=list)

    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        assert items
        for item in items:
            assert isinstance(item.key, OwnKey)
            self.asked.append(item.key)
        return [
            RawMessage(self.name)
            if item.aad != "fault"
            else Unavailable(Dependency.CIPHER, "it is down")
            for item in items
        ]


async def test_each_is_opened_with_the_login_that_may_and_the_answers_keep_their_order() -> None:
    ingest, reader = _Decryptor(b"ingest"), _Decryptor(b"reader")
    waiting = DecryptorItem(OwnKey.WAITING, Ciphertext("si1q:"))
    other = DecryptorItem(OwnKey.QUARANTINE, Ciphertext("si1q:"))
    decryptor = QuarantineDecryptor(ingest=ingest, reader=reader)
    answers = await decryptor.decrypt([other, waiting, evolve(other, aad="fault"), waiting])
    opened = [each.reveal() if isinstance(each, RawMessage) else None for each in answers]
    assert opened == [b"reader", b"ingest", None, b"ingest"]
    assert set(ingest.asked) == {OwnKey.WAITING}
    assert set(reader.asked) == {OwnKey.QUARANTINE}


@define
class _Refusing(_Decryptor):
    """Opens nothing."""

    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        return [Refused(Dependency.CIPHER, "it does not open") for _ in items]


async def test_what_was_handed_over_as_it_was_still_opens_with_the_other_login() -> None:
    ingest, reader = _Decryptor(b"ingest"), _Refusing(b"reader")
    decryptor = QuarantineDecryptor(ingest=ingest, reader=reader)
    handed_over = DecryptorItem(OwnKey.QUARANTINE, Ciphertext("si1q:"))
    (answer,) = await decryptor.decrypt([handed_over])
    assert isinstance(answer, RawMessage)
    assert answer.reveal() == b"ingest"
    assert ingest.asked == [OwnKey.WAITING]


async def test_a_login_that_is_not_needed_is_not_used() -> None:
    ingest, reader = _Decryptor(b"ingest"), _Decryptor(b"reader")
    decryptor = QuarantineDecryptor(ingest=ingest, reader=reader)
    await decryptor.decrypt([DecryptorItem(OwnKey.QUARANTINE, Ciphertext("si1q:"))])
    assert await decryptor.decrypt([]) == []
    assert ingest.asked == []
