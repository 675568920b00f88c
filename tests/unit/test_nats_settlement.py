"""Settlements as JetStream reads them."""

from datetime import timedelta

import pytest

from snapshot_domain.delivery import Ack, Discard, Retry, Settlement
from snapshot_nats.source import encode


@pytest.mark.parametrize(
    ("settlement", "written"),
    [
        (Ack(), b"+ACK"),
        (Discard(), b"+TERM"),
        (Retry(timedelta(0)), b"-NAK"),
        (Retry(timedelta(seconds=-1)), b"-NAK"),
        (Retry(timedelta(milliseconds=1500)), b'-NAK {"delay": 1500000000}'),
        (Retry(timedelta(microseconds=1)), b'-NAK {"delay": 1000}'),
    ],
)
def test_a_settlement_is_written_for_jetstream(settlement: Settlement, written: bytes) -> None:
    assert encode(settlement) == written
