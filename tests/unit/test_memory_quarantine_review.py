"""The contract of QuarantineReview, on the one in memory."""

from collections.abc import Sequence

import pytest

from snapshot_conformance.quarantine_review import QuarantineReviewContract
from snapshot_domain.model import Ciphertext
from snapshot_memory import MemoryQuarantine, MemoryQuarantineReview


class _World:
    def __init__(self) -> None:
        self.quarantine = MemoryQuarantine()
        self.review = MemoryQuarantineReview(self.quarantine)

    async def ciphertexts(self, stream: str) -> Sequence[Ciphertext]:
        messages = self.quarantine.messages.values()
        return [each.ciphertext for each in messages if each.origin.stream == stream]


class TestMemoryQuarantineReview(QuarantineReviewContract):
    @pytest.fixture
    async def world(self) -> _World:
        return _World()
