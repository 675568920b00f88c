"""Deliveries: what a message source lends, and the ways to settle them."""

from datetime import datetime, timedelta
from typing import TypeAlias

from attrs import field, frozen

from snapshot_domain.secret import RawMessage


@frozen
class Origin:
    """Where a message stands for good: its stream, that stream's creation time, its sequence.

    A stream that was deleted and made again counts from one again; its creation time tells
    the two apart.
    """

    stream: str
    stream_created_at: datetime
    sequence: int


@frozen
class Delivery:
    """One message on loan from its source, to be settled exactly once.

    `received_at` is when the stream received the message: the same on every redelivery.
    `attempt` is 1 on the first delivery. `receipt` is the source's own and means nothing
    to anybody else.
    """

    body: RawMessage = field(eq=False)
    origin: Origin
    subject: str
    received_at: datetime
    attempt: int
    receipt: object = field(default=None, eq=False, repr=False)


@frozen
class Ack:
    """It is dealt with: the stream may forget it."""


@frozen
class Retry:
    """Deliver it again after this time; zero means at once."""

    after: timedelta


@frozen
class Discard:
    """It can never be ingested: never deliver it again."""


Settlement: TypeAlias = Ack | Retry | Discard
