"""The contracts of QuarantineReview and WaitingMessages, on those in memory."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from snapshot_conformance.quarantine_review import QuarantineReviewContract
from snapshot_conformance.waiting_messages import WaitingMessagesContract
from snapshot_domain.model import Ciphertext
from snapshot_memory import (
    ManualClock,
    MemoryQuarantine,
    MemoryQuarantineReview,
    MemoryWaitingMessages,
)


class _World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.quarantine = MemoryQuarantine(self.clock)
        self.review = MemoryQuarantineReview(self.quarantine)
        self.waiting = MemoryWaitingMessages(self.quarantine)

    async def pass_time(self, by: timedelta) -> None:
        self.clock.advance(by)

    async def ciphertexts(self, stream: str) -> Sequence[Ciphertext]:
        messages = self.quarantine.messages.values()
        return [each.ciphertext for each in messages if each.origin.stream == stream]


class TestMemoryQuarantineReview(QuarantineReviewContract):
    @pytest.fixture
    async def world(self) -> _World:
        return _World()


class TestMemoryWaitingMessages(WaitingMessagesContract):
    @pytest.fixture
    async def world(self) -> _World:
        return _World()
