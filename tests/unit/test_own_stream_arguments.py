"""`provision --own-stream`: what may be asked for, and how large the stream becomes."""

from datetime import timedelta

import pytest
from attrs import evolve

from snapshot_ingest.command_errors import UsageError
from snapshot_ingest.own_stream.arguments import OwnStreamArguments
from snapshot_ingest.own_stream.size import ExpectedLoad
from snapshot_ingest.settings import NatsSettings

OWN = NatsSettings(stream="CONFIG_SNAPSHOTS")
ASKED = OwnStreamArguments(
    shared_stream="DEVICE_EVENTS",
    outage="24h",
    max_bytes=None,
    devices=3_000,
    snapshot_bytes=16_384,
    poll_interval="6h",
)


def test_the_stream_is_sized_for_the_outage() -> None:
    shape = ASKED.shape(OWN)
    assert (shape.name, shape.shared) == ("CONFIG_SNAPSHOTS", "DEVICE_EVENTS")
    assert shape.filter_subject == "config.snapshot.>"
    assert shape.max_age == timedelta(days=1)
    assert shape.max_bytes == 3_000 * 5 * (16_384 + 2_048 + 1_024)


def test_a_size_can_be_given_as_it_is() -> None:
    shape = evolve(ASKED, devices=None, max_bytes=1_000_000, outage="90m").shape(OWN)
    assert (shape.max_bytes, shape.max_age) == (1_000_000, timedelta(minutes=90))


@pytest.mark.parametrize(("hours", "polls"), [(1, 2), (6, 2), (7, 3), (24, 5)])
def test_a_poll_more_than_fits_into_the_outage_is_counted(hours: int, polls: int) -> None:
    load = ExpectedLoad(devices=1, snapshot_bytes=8, poll_interval=timedelta(hours=6))
    assert load.bytes_within(timedelta(hours=hours)) == polls * (9 + 1_024)


def test_the_own_stream_needs_a_name_of_its_own() -> None:
    with pytest.raises(UsageError, match=r"nats\.stream names the shared stream"):
        ASKED.shape(NatsSettings())


@pytest.mark.parametrize(("devices", "max_bytes"), [(None, None), (10, 10)])
def test_the_size_is_given_in_one_way(devices: int | None, max_bytes: int | None) -> None:
    with pytest.raises(UsageError, match="not clear how large"):
        evolve(ASKED, devices=devices, max_bytes=max_bytes).shape(OWN)


@pytest.mark.parametrize("text", ["", "soon", "0s", "-1h", "9" * 30])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--outage"):
        evolve(ASKED, outage=text).shape(OWN)
    with pytest.raises(UsageError, match="--poll-interval"):
        evolve(ASKED, poll_interval=text).shape(OWN)
