"""Publishes at a steady rate, and again and again until the stream has acknowledged."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from nats.js.api import PubAck

from chaos.ledger import Entry, Ledger
from chaos.traffic import Message, Posting
from snapshot_domain.secret import RawMessage
from snapshot_domain.tasks import cancel
from snapshot_ingest.poller import subject_of
from snapshot_nats.errors import NATS_FAULTS

_ANSWER_SECONDS = 2.0
_AGAIN_SECONDS = 0.2
_UNANSWERED_AT_MOST = 200
_BEATS_PER_SECOND = 20
_END_SECONDS = 60.0


class Stream(Protocol):
    """What is needed of nats-py's JetStreamContext."""

    async def publish(
        self,
        subject: str,
        payload: bytes = ...,
        timeout: float | None = ...,
        stream: str | None = ...,
        headers: dict[str, Any] | None = ...,
    ) -> PubAck:
        """The stream's acknowledgement. Raises NATS_FAULTS."""
        ...


class Publisher:
    """A poller that gives up on no message.

    Each message has a `Nats-Msg-Id`, by which the stream knows one that it has already. While
    the stream does not answer, no more than a few hundred messages wait for it.
    """

    def __init__(self, stream: Stream, postings: Iterator[Posting], per_second: int) -> None:
        self.ledger = Ledger()
        self._stream = stream
        self._postings = postings
        self._per_second = per_second
        self._room = asyncio.Semaphore(_UNANSWERED_AT_MOST)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Begins no further message; what is begun goes on until it is acknowledged."""
        self._stopping.set()

    async def run(self) -> None:
        """Returns after a stop, when the stream has acknowledged every message."""
        async with asyncio.TaskGroup() as publishing:
            owed = 0.0
            while not self._stopping.is_set():
                owed += self._per_second / _BEATS_PER_SECOND
                while owed >= 1:
                    owed -= 1
                    await self._room.acquire()
                    publishing.create_task(self._publish(*next(self._postings)))
                await asyncio.sleep(1 / _BEATS_PER_SECOND)

    async def _publish(self, message: Message, body: RawMessage) -> None:
        entry = self.ledger.begin(message)
        try:
            while not await self._is_acknowledged(entry, body):
                await asyncio.sleep(_AGAIN_SECONDS)
        finally:
            self._room.release()

    async def _is_acknowledged(self, entry: Entry, body: RawMessage) -> bool:
        try:
            answer = await self._stream.publish(
                subject_of(entry.message.device_id),
                body.reveal(),
                timeout=_ANSWER_SECONDS,
                headers={"Nats-Msg-Id": entry.message.name},
            )
        except NATS_FAULTS:
            return False
        self.ledger.acknowledge(entry, answer.seq, is_repeat=bool(answer.duplicate))
        return True


@asynccontextmanager
async def publishing(publisher: Publisher) -> AsyncIterator[None]:
    """It publishes while the block runs; afterwards everything begun is acknowledged.

    Unless the stream is gone for good: what it did not acknowledge does not count as published.
    """
    running = asyncio.create_task(publisher.run())
    try:
        yield
        publisher.stop()
        await asyncio.wait([running], timeout=_END_SECONDS)
        if running.done():
            running.result()
    finally:
        await cancel(running)
