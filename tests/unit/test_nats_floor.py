"""How far a consumer is, from three answers of JetStream, and where it would start again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nats.js.api import ConsumerInfo, StreamInfo

from snapshot_domain.errors import Unavailable
from snapshot_domain.ports import Floor
from snapshot_nats.floor import floor_name, floor_of
from snapshot_nats.recreation import start_sequence

CREATED = datetime(2026, 4, 2, 6, 15, tzinfo=UTC)
NOW = CREATED + timedelta(hours=3)


def stream(first: int, last: int, created: str = "2026-04-02T06:15:00.123456789Z") -> StreamInfo:
    state = {"messages": 1, "bytes": 1, "first_seq": first, "last_seq": last, "consumer_count": 1}
    info: StreamInfo = StreamInfo.from_response(
        {"config": {"name": "DEVICE_EVENTS"}, "state": state, "created": created}
    )
    return info


def consumer(**figures: Any) -> ConsumerInfo:
    info: ConsumerInfo = ConsumerInfo.from_response(
        {
            "name": "config_snapshot_ingest",
            "stream_name": "DEVICE_EVENTS",
            "created": "2026-04-02T07:00:00Z",
            "config": {
                "durable_name": "config_snapshot_ingest",
                "filter_subject": "config.snapshot.>",
            },
            "delivered": {"consumer_seq": 44, "stream_seq": 130},
            "ack_floor": {"consumer_seq": 40, "stream_seq": 120},
            "num_pending": 7,
            **figures,
        }
    )
    return info


def test_the_first_sequence_is_of_before_and_the_last_of_after() -> None:
    floor = floor_of(stream(50, 300), consumer(), stream(60, 310), NOW)
    assert (floor.first_sequence, floor.last_sequence) == (50, 310)
    assert (floor.sequence, floor.delivered_sequence) == (120, 130)
    assert (floor.deliveries, floor.pending) == (44, 7)
    assert floor.stream == "DEVICE_EVENTS"
    assert floor.consumer == floor_name("config_snapshot_ingest", "config.snapshot.>")
    assert floor.stream_created_at == CREATED + timedelta(microseconds=123_456)
    assert floor.at == NOW


def test_a_consumer_that_did_nothing_yet_is_at_the_start() -> None:
    fresh = consumer(delivered=None, ack_floor=None, num_pending=None)
    floor = floor_of(stream(1, 9), fresh, stream(1, 9), NOW)
    assert (floor.sequence, floor.delivered_sequence, floor.deliveries, floor.pending) == (0,) * 4


def test_figures_of_two_streams_are_no_floor() -> None:
    again = stream(1, 1, created="2026-04-02T09:15:00Z")
    with pytest.raises(Unavailable, match="made again"):
        floor_of(stream(50, 300), consumer(), again, NOW)


def a_floor(sequence: int) -> Floor:
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
        last_sequence=500,
        at=NOW,
    )


@pytest.mark.parametrize(
    ("floor", "created", "last", "start"),
    [
        (None, CREATED, 300, 1),
        (a_floor(0), CREATED, 300, 1),
        (a_floor(120), CREATED, 300, 121),
        (a_floor(300), CREATED, 300, 301),
        (a_floor(301), CREATED, 300, 1),
        (a_floor(120), CREATED + timedelta(microseconds=1), 300, 1),
        (a_floor(120), None, 300, 1),
    ],
)
def test_a_consumer_starts_at_the_first_that_is_not_known_to_be_settled(
    floor: Floor | None, created: datetime | None, last: int, start: int
) -> None:
    assert start_sequence(floor, created, last) == start
