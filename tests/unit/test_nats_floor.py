"""How far a consumer is, from three answers of JetStream, and where it would start again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nats.js.api import ConsumerInfo, StreamInfo

from snapshot_domain.errors import Unavailable
from snapshot_nats.floor import floor_name, floor_of

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


def test_an_ack_floor_beyond_the_streams_end_is_not_believed() -> None:
    assert floor_of(stream(1, 119), consumer(), stream(1, 119), NOW).sequence == 0
