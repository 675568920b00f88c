"""The publisher of chaos counts a message only once the stream has it, and never gives up."""

import asyncio
from collections import Counter
from itertools import count
from typing import Any

import pytest
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import PubAck

from chaos.publisher import Publisher, publishing
from chaos.traffic import Traffic
from snapshot_conformance.secret_canary import SecretCanary
from support.waiting import until


class LossyStream:
    """Takes each message at its first try, and loses so many answers before one arrives."""

    def __init__(self, lost_answers: int) -> None:
        self._lost_answers = lost_answers
        self._numbers = count(1)
        self.sequences: dict[str, int] = {}
        self.tries: Counter[str] = Counter()

    async def publish(
        self,
        subject: str,  # noqa: ARG002 - nats-py's signature
        payload: bytes = b"",  # noqa: ARG002 - nats-py's signature
        timeout: float | None = None,  # noqa: ARG002 - nats-py's signature
        stream: str | None = None,
        headers: dict[str, Any] | None = None,
    ) -> PubAck:
        name: str = (headers or {})["Nats-Msg-Id"]
        is_repeat = name in self.sequences
        sequence = self.sequences.setdefault(name, next(self._numbers))
        self.tries[name] += 1
        await asyncio.sleep(0)
        if self.tries[name] <= self._lost_answers:
            raise NatsTimeoutError
        return PubAck(stream=stream or "S", seq=sequence, duplicate=is_repeat)


def a_publisher(stream: LossyStream) -> Publisher:
    return Publisher(stream, Traffic(1, 5, SecretCanary()).messages(), per_second=400)


@pytest.mark.parametrize("lost_answers", [0, 2])
async def test_what_it_began_is_acknowledged_in_the_end_under_one_name(lost_answers: int) -> None:
    stream = LossyStream(lost_answers)
    publisher = a_publisher(stream)
    async with publishing(publisher):
        await until(lambda: len(stream.sequences) >= 30, every_seconds=0.01)
    ledger = publisher.ledger
    assert ledger.published == len(ledger.entries) == len(stream.sequences) >= 30
    assert {message.name: sequence for message, sequence in ledger.acknowledged()} == (
        stream.sequences
    )
    assert ledger.repeats == (ledger.published if lost_answers else 0)
    assert set(stream.tries.values()) == {lost_answers + 1}


async def test_a_silent_stream_is_not_flooded_and_what_it_has_not_answered_does_not_count() -> None:
    stream = LossyStream(lost_answers=1_000_000)
    publisher = a_publisher(stream)
    running = asyncio.create_task(publisher.run())
    await until(lambda: len(stream.sequences) >= 200, every_seconds=0.01)
    await until(lambda: stream.tries.total() >= 600, every_seconds=0.01)
    assert len(stream.sequences) == 200
    assert publisher.ledger.published == 0
    assert not list(publisher.ledger.acknowledged())
    running.cancel()
    await asyncio.wait([running])
