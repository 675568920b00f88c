"""The inbox of one consumer: it sends pulls and keeps what arrives until somebody takes it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from snapshot_domain.delivery import Delivery
from snapshot_domain.tasks import within
from snapshot_nats.client import SafeClient
from snapshot_nats.denials import SubjectDenied
from snapshot_nats.errors import NATS_FAULTS
from snapshot_nats.message import ACK_PREFIX
from snapshot_nats.pull import End, Pull, end_of

_UNBOUNDED = 0


class Inbox:
    """Holds deliveries between their arrival and the fetch that hands them out.

    A message that comes after its pull has ended, because that took too long or was cancelled,
    is simply kept for the next fetch. Each pull has a reply subject of its own, so that a late
    status can't end the pull after it.
    """

    def __init__(self, deliver: Callable[[Msg], Delivery]) -> None:
        self._deliver = deliver
        self._arrived: deque[Delivery] = deque()
        self._subscription: Subscription | None = None
        self._prefix = ""
        self._pulls = 0
        self._reply = ""
        self._lacking = 0
        self._end: asyncio.Future[End] | None = None

    @property
    def count(self) -> int:
        """How many deliveries wait to be taken."""
        return len(self._arrived)

    @property
    def size_bytes(self) -> int:
        """How many bytes of bodies wait to be taken."""
        return sum(delivery.body.size_bytes for delivery in self._arrived)

    @property
    def subject(self) -> str:
        """The subject that the inbox listens on."""
        return f"{self._prefix}.*"

    async def open(self, client: SafeClient) -> None:
        """Listens on this client from now on; what has arrived before stays."""
        self._prefix = client.new_inbox()
        # What is on its way is bounded by what was pulled, so nats-py need not, by dropping.
        self._subscription = await client.subscribe(
            self.subject, cb=self._take_in, pending_bytes_limit=_UNBOUNDED
        )

    async def close(self, timeout: timedelta) -> None:
        """Stops listening, once everything that the server has sent is here."""
        if self._subscription is None:
            return
        drain: Callable[[], Awaitable[None]] = self._subscription.drain  # nats-py leaves it untyped
        try:
            await within(timeout.total_seconds(), drain())
        except NATS_FAULTS:
            return  # what was on its way comes again after its deadline
        finally:
            self._subscription = None

    async def pull(self, client: SafeClient, subject: str, pull: Pull, patience: timedelta) -> End:
        """Sends the pull and returns how it ended, at the latest after `patience`.

        Raises `SubjectDenied`.
        """
        self._pulls += 1
        self._reply = f"{self._prefix}.{self._pulls}"
        self._lacking = pull.batch
        end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._end = end
        try:
            with client.denials.of(subject, awaits_answers=True) as denied:
                await client.publish(subject, pull.encode(), reply=self._reply)
                either: set[asyncio.Future[Any]] = {end, denied}
                await asyncio.wait(
                    either,
                    timeout=patience.total_seconds(),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if end.done():
                    return end.result()
                if denied.done():
                    raise SubjectDenied(denied.result())
                return End.NO_ANSWER
        finally:
            self._end = None
            self._reply = ""

    def connection_lost(self) -> None:
        """Ends the pull under way, which the server has forgotten."""
        self._finish(End.LOST)

    def take(self, max_messages: int, max_bytes: int) -> list[Delivery]:
        """The deliveries that came first, within the bounds; a larger one comes alone."""
        taken: list[Delivery] = []
        room_bytes = max_bytes
        while self._arrived and len(taken) < max_messages:
            room_bytes -= self._arrived[0].body.size_bytes
            if taken and room_bytes < 0:
                break
            taken.append(self._arrived.popleft())
        return taken

    async def _take_in(self, msg: Msg) -> None:
        if msg.reply.startswith(ACK_PREFIX):
            self._arrived.append(self._deliver(msg))
            self._lacking -= 1
            if self._lacking == 0:
                self._finish(End.COMPLETE)
        elif msg.subject == self._reply:
            end = end_of(msg.headers)
            if end is not None:
                self._finish(end)

    def _finish(self, end: End) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result(end)
