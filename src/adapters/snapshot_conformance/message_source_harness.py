"""What a MessageSource's contract needs around the source: a stream to publish on and look at."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

from attrs import frozen

from snapshot_domain.delivery import Delivery
from snapshot_domain.ports.message_source import MessageSource
from snapshot_domain.secret import RawMessage

MARKER = b"wpa2-pre-shared-key-5d0c8a41"
"""Stands in every body here, so that one look tells whether something leaks."""

PLENTY_BYTES = 1_000_000
A_LONG_TIME = timedelta(hours=1)

_FRUITLESS_FETCHES_AT_MOST = 30
_EVENTUALLY_SECONDS = 10.0
_POLL_SECONDS = 0.02


@frozen
class RawState:
    """What the stream itself says: `pending` never delivered, `unsettled` delivered."""

    pending: int
    unsettled: int


NOTHING_LEFT = RawState(pending=0, unsettled=0)


class MessageSourceHarness(Protocol):
    """A source under test, with an empty stream of its own, and what is around it.

    `ack_wait` is the deadline of a delivery; a real stream wants it short (two seconds do),
    since there `pass_time` really takes that long. A fetch of the source should wait for
    less than a quarter of it.
    """

    subject: str
    ack_wait: timedelta

    @property
    def source(self) -> MessageSource:
        """The source under test."""
        ...

    async def publish(self, subject: str, body: RawMessage) -> int:
        """Puts the body on the stream, without the source under test; returns its sequence."""
        ...

    async def state(self) -> RawState:
        """What the stream says, asked without the source under test."""
        ...

    async def pass_time(self, by: timedelta) -> None:
        """Returns when this much time has passed for the stream."""
        ...

    async def another_source(self) -> MessageSource:
        """A further source on the same consumer, as a second worker has it."""
        ...


def body_number(number: int, size_bytes: int = 100) -> RawMessage:
    """A body of that size that differs from all others by its number."""
    return RawMessage(b"%d %s" % (number, MARKER) + b"\xff" * (size_bytes - 50))


async def fetch_count(
    source: MessageSource, count: int, *, max_messages: int = 100, max_bytes: int = PLENTY_BYTES
) -> list[Delivery]:
    """That many deliveries, over as many fetches as it takes."""
    deliveries: list[Delivery] = []
    for _ in range(_FRUITLESS_FETCHES_AT_MOST + count):
        deliveries += await source.fetch(max_messages, max_bytes)
        if len(deliveries) >= count:
            break
    assert len(deliveries) == count
    return deliveries


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Returns when the condition holds; fails if it does not in good time."""
    async with asyncio.timeout(_EVENTUALLY_SECONDS):
        while not await condition():  # noqa: ASYNC110 - a server can't set an event of ours
            await asyncio.sleep(_POLL_SECONDS)


def sequences(deliveries: list[Delivery]) -> list[int]:
    """The sequences of the deliveries, in their order."""
    return [delivery.origin.sequence for delivery in deliveries]
