"""What a kept floor says of a stream that is looked at later, and where a consumer begins again."""

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from snapshot_domain.ports import Floor, first_unsettled

CREATED = datetime(2026, 4, 2, 6, 15, tzinfo=UTC)
ANOTHER = CREATED + timedelta(microseconds=1)


def a_floor(sequence: int, last_sequence: int = 500) -> Floor:
    return Floor(
        stream="DEVICE_EVENTS",
        stream_created_at=CREATED,
        consumer="config_snapshot_ingest",
        consumer_created_at=CREATED,
        sequence=sequence,
        delivered_sequence=sequence + 5,
        deliveries=40,
        pending=0,
        first_sequence=1,
        last_sequence=last_sequence,
        at=CREATED + timedelta(hours=3),
    )


@pytest.mark.parametrize(
    ("floor", "created", "last", "start"),
    [
        (None, CREATED, 500, 1),
        (a_floor(0), CREATED, 500, 1),
        (a_floor(120), CREATED, 500, 121),
        (a_floor(120), CREATED, 900, 121),
        (a_floor(500), CREATED, 500, 501),
        (a_floor(120), CREATED, 499, 1),
        (a_floor(120), ANOTHER, 500, 1),
        (a_floor(120), None, 500, 1),
    ],
)
def test_a_consumer_begins_again_at_the_first_that_is_not_known_to_be_settled(
    floor: Floor | None, created: datetime | None, last: int, start: int
) -> None:
    assert first_unsettled(floor, created, last) == start


def test_a_stream_that_ends_before_it_did_is_cut_off_and_another_stream_is_not() -> None:
    known = a_floor(120)
    assert known.is_cut_off_in(CREATED, 499)
    assert not known.is_cut_off_in(CREATED, 500)
    assert not known.is_cut_off_in(ANOTHER, 499)


def test_once_it_was_seen_to_be_cut_off_a_floor_holds_no_more_however_the_stream_grows() -> None:
    seen = a_floor(90, last_sequence=100).over(a_floor(480))
    grown = a_floor(91, last_sequence=600).over(seen)
    assert first_unsettled(grown, CREATED, 600) == 92


def test_a_consumer_that_begins_again_takes_back_no_floor() -> None:
    again = evolve(a_floor(0), consumer_created_at=CREATED + timedelta(hours=1))
    assert again.over(a_floor(480)).sequence == 480
