"""SnapshotPublisher: puts messages on the stream as the poller does."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from itertools import islice

from snapshot_domain.secret import RawMessage
from snapshot_nats.client import SafeClient
from snapshot_nats.errors import ask

_IN_FLIGHT_AT_MOST = 64


class SnapshotPublisher:
    """Publishes on JetStream and knows when each message is safely there.

    Sends no headers, like the poller. A publish that got no answer may still have happened:
    publishing it again is safe, because a snapshot that is already stored changes nothing.
    """

    def __init__(
        self,
        client: SafeClient,
        *,
        in_flight_at_most: int = _IN_FLIGHT_AT_MOST,
        answer_timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        self._client = client
        self._jetstream = client.jetstream(timeout=answer_timeout.total_seconds())
        self._in_flight_at_most = in_flight_at_most
        self._room = asyncio.Semaphore(in_flight_at_most)

    @property
    def max_payload(self) -> int:
        """How many bytes a body may have, as the server says."""
        return self._client.max_payload

    async def publish(self, subject: str, body: RawMessage) -> int:
        """Returns the message's sequence once the stream has acknowledged it.

        May be called many times at once: the number in flight is bounded. Raises `Unavailable`
        if no stream answers, and `Refused` if the body is larger than `max_payload`.
        """
        async with self._room:
            ack = await ask(self._jetstream.publish(subject, body.reveal()), "publishing")
        return ack.seq

    async def publish_all(self, messages: Iterable[tuple[str, RawMessage]]) -> int:
        """Publishes all, many in flight, and returns how many the stream acknowledged.

        They reach the stream in their order. At the first failure it waits for what is in flight,
        begins nothing more, and raises.
        """
        published = 0
        rest = iter(messages)
        while window := list(islice(rest, self._in_flight_at_most)):
            answers = await asyncio.gather(
                *(self.publish(subject, body) for subject, body in window), return_exceptions=True
            )
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
            published += len(window)
        return published
