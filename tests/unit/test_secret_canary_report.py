"""A report calls a place clean only if it would have found what is planted there."""

import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from attrs import evolve

from snapshot_conformance.secret_canary import SecretCanary
from snapshot_conformance.secret_canary_forms import TEXT_WRITINGS, WRITINGS
from snapshot_conformance.secret_canary_kept import ErrorsPlace, ObjectsPlace
from snapshot_conformance.secret_canary_places import FilesPlace, ReadPlace
from snapshot_conformance.secret_canary_report import CanaryReport, reported
from snapshot_conformance.secret_canary_watch import SecretWatch, secret_canary, watching
from snapshot_domain.events import BatchHandled, MessageHandled
from snapshot_domain.outcome import Unforeseen

__all__ = ["secret_canary"]


async def test_where_nothing_leaks_every_place_is_clean_and_every_control_found(
    secret_canary: SecretWatch, tmp_path: Path
) -> None:
    secret_canary.places.append(FilesPlace("a folder", [tmp_path]))
    secret_canary.places.append(ObjectsPlace("objects", [object()]))
    (tmp_path / "file").write_text("nothing")
    async with secret_canary.keeping_errors():
        _fail_with("nothing")
    logging.getLogger("any").debug("nothing")
    print("nothing")  # noqa: T201 - the subject
    report = await secret_canary.report()
    assert report.is_proof, str(report)
    assert {one.place for one in report.places} == {
        "log records at DEBUG",
        "errors",
        "events",
        "standard output and error",
        "a folder",
        "objects",
    }
    planted = {one.place: one.planted for one in report.places}
    assert planted.pop("events") == len(TEXT_WRITINGS)
    assert set(planted.values()) == {len(WRITINGS)}
    assert "| a folder | 1 | 7 |" in str(report)


async def _leaking(place: str, secret: SecretWatch, folder: Path) -> None:
    text = secret.canary.text
    match place:
        case "log records at DEBUG":
            logging.getLogger("any").debug("body %s", [text])
        case "errors":
            async with secret.keeping_errors():
                _fail_with(text)
        case "events":
            secret.events.record(BatchHandled([MessageHandled(Unforeseen(text), 1, 1)], {}))
        case "standard output and error":
            sys.stderr.write(text.encode().hex())
        case _:
            (folder / "file").write_text(text)


def _fail_with(text: str) -> None:
    raise ValueError(text)


@pytest.mark.parametrize(
    "place",
    ["log records at DEBUG", "errors", "events", "standard output and error", "a folder"],
)
async def test_a_leak_is_reported_at_its_place_alone(
    secret_canary: SecretWatch, tmp_path: Path, place: str
) -> None:
    secret_canary.places.append(FilesPlace("a folder", [tmp_path]))
    await _leaking(place, secret_canary, tmp_path)
    report = await secret_canary.report()
    assert not report.is_proof
    assert [one.place for one in report.places if not one.is_clean] == [place]
    assert "LEAKS" in str(report)
    assert not secret_canary.canary.is_in(str(report))


class _BlindPlace(ObjectsPlace):
    """Loses whatever is not plain text."""

    async def contents(self) -> Iterable[tuple[str, bytes | str]]:
        return [each for each in await super().contents() if b"canary" in bytes(str(each), "utf8")]


async def test_a_place_that_loses_a_form_is_no_proof() -> None:
    report = await reported(SecretCanary(), [_BlindPlace("blind", [])])
    assert all(one.is_clean for one in report.places)
    assert not report.is_proof
    assert "hex" in report.places[0].missed
    assert "CONTROLS MISSED" in str(report)


async def test_a_place_without_controls_and_a_report_without_places_are_no_proof() -> None:
    unplantable = evolve(ObjectsPlace("any", []), writings=())
    assert not (await reported(SecretCanary(), [unplantable])).is_proof
    assert not CanaryReport([]).is_proof


async def test_any_function_that_reads_can_be_a_place() -> None:
    texts: list[str | bytes] = ["nothing"]

    async def read() -> Sequence[str | bytes]:
        return texts

    async def plant(content: bytes) -> None:
        texts.append(content.decode())

    report = await reported(SecretCanary(), [ReadPlace("texts", read, plant)])
    assert report.is_proof
    assert report.places[0].planted == len(TEXT_WRITINGS)


async def test_the_logging_is_as_it_was_after_a_watch() -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    with watching():
        assert root.level == logging.DEBUG
    assert (root.level, list(root.handlers)) == before


async def test_errors_that_were_added_are_looked_into() -> None:
    canary, errors = SecretCanary(), ErrorsPlace()
    errors.add(ValueError(canary.text))
    report = await reported(canary, [errors])
    assert not report.places[0].is_clean
