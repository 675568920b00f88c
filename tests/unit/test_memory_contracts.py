"""The memory adapters without a store keep the contracts: decoder, metrics and message source."""

from datetime import timedelta

import pytest

from snapshot_conformance.cipher import the_ciphertext
from snapshot_conformance.message_source import (
    MessageSourceContract,
    MessageSourceHarness,
    RawState,
)
from snapshot_conformance.metrics import EVERY_EVENT, MetricsContract
from snapshot_conformance.snapshot_decoder import SnapshotDecoderContract
from snapshot_domain.errors import Dependency, Refused
from snapshot_domain.ports import MessageSource, Metrics, SnapshotDecoder
from snapshot_domain.secret import RawMessage
from snapshot_memory import (
    ManualClock,
    MemoryMessageSource,
    MemoryMetrics,
    MemorySnapshotDecoder,
)


class TestMemorySnapshotDecoder(SnapshotDecoderContract):
    @pytest.fixture
    def decoder(self) -> SnapshotDecoder:
        return MemorySnapshotDecoder()


class TestMemoryMetrics(MetricsContract):
    @pytest.fixture
    def metrics(self) -> Metrics:
        return MemoryMetrics()

    def test_it_remembers_every_event_in_order(self) -> None:
        memory = MemoryMetrics()
        for event in EVERY_EVENT:
            memory.record(event)
        assert tuple(memory.events) == EVERY_EVENT


class _MemoryHarness:
    """A stream in memory, whose state is read from what it still holds."""

    subject = "config.snapshot.create.6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"

    def __init__(self) -> None:
        self._clock = ManualClock()
        self.memory = MemoryMessageSource(self._clock)
        self.ack_wait = self.memory.ack_wait

    @property
    def source(self) -> MessageSource:
        return self.memory

    async def publish(self, subject: str, body: RawMessage) -> int:
        # As on a real stream, no two messages are received at the same moment.
        self._clock.advance(timedelta(milliseconds=1))
        return self.memory.publish(subject, body)

    async def state(self) -> RawState:
        attempts = list(self.memory.attempts.values())
        return RawState(pending=attempts.count(0), unsettled=sum(map(bool, attempts)))

    async def pass_time(self, by: timedelta) -> None:
        self._clock.advance(by)

    async def another_source(self) -> MessageSource:
        # Any number of workers share one object: it is the stream and the consumer in one.
        return self.memory


class TestMemoryMessageSource(MessageSourceContract):
    @pytest.fixture
    def harness(self) -> MessageSourceHarness:
        return _MemoryHarness()


def test_a_failed_assertion_of_a_contract_shows_the_values_it_compared() -> None:
    refused = Refused(Dependency.CIPHER, "no")
    with pytest.raises(AssertionError, match="where False = isinstance"):
        the_ciphertext(refused)
