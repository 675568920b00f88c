"""What a pull asks for, and what the answers that end it mean."""

import json
from datetime import timedelta

import pytest
from nats.js.api import Header

from snapshot_nats.pull import End, Pull, end_of, nanoseconds


def answer(status: str, description: str = "") -> dict[str, str]:
    """Headers of a status message, as nats-py reads them."""
    return {"Status": status, Header.DESCRIPTION: description}


def test_a_pull_without_wait_wants_what_is_there_and_does_not_stay() -> None:
    assert json.loads(Pull(10, 4_096).encode()) == {
        "batch": 10,
        "max_bytes": 4_096,
        "no_wait": True,
        "expires": 250_000_000,
    }


def test_a_pull_that_waits_says_for_how_many_nanoseconds() -> None:
    assert json.loads(Pull(1, wait=timedelta(seconds=2)).encode()) == {
        "batch": 1,
        "expires": 2_000_000_000,
    }


@pytest.mark.parametrize(
    ("status", "description", "end"),
    [
        ("404", "No Messages", End.NOTHING_MORE),
        ("408", "Request Timeout", End.NOTHING_MORE),
        ("408", "Interest Expired", End.NOTHING_MORE),
        ("409", "Batch Completed", End.COMPLETE),
        ("409", "Message Size Exceeds MaxBytes", End.TOO_LARGE),
        ("409", "Consumer Deleted", End.LOOK_AGAIN),
        ("409", "Consumer is push based", End.LOOK_AGAIN),
        ("409", "Leadership Change", End.LOOK_AGAIN),
        ("409", "Server Shutdown", End.LOOK_AGAIN),
        ("409", "Exceeded MaxWaiting", End.BUSY),
        ("409", "Exceeded MaxRequestBatch of 2", End.OVER_LIMIT),
        ("409", "Exceeded MaxRequestExpires of 1s", End.OVER_LIMIT),
        ("409", "Exceeded MaxRequestMaxBytes of 10", End.OVER_LIMIT),
        ("503", "", End.NOBODY),
        ("409", "Something New", End.UNKNOWN),
        ("400", "Bad Request", End.UNKNOWN),
        ("200", "", End.UNKNOWN),
    ],
)
def test_a_status_ends_a_pull(status: str, description: str, end: End) -> None:
    assert end_of(answer(status, description)) is end


def test_a_heartbeat_ends_nothing() -> None:
    assert end_of(answer("100", "Idle Heartbeat")) is None


def test_an_answer_without_headers_is_unknown() -> None:
    assert end_of(None) is End.UNKNOWN
    assert end_of({}) is End.UNKNOWN


def test_nanoseconds_are_exact() -> None:
    assert nanoseconds(timedelta(days=365, microseconds=1)) == 31_536_000_000_001_000
