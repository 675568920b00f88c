"""Who and what a take-over works with."""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

from attrs import frozen

from snapshot_domain.ports import Clock
from snapshot_nats import Handover
from snapshot_postgres import Backfill, PostgresTransactions


class Step(StrEnum):
    """What is done, one after the other; between any two of them it may stop and go on later."""

    QUIET = "nobody listens, and nothing is in hand any more"
    ENDED = "the transactions that were at work have ended"
    ADDED = "the timelines know all rows that a message may come again of"
    KEPT = "the ack floor is kept"
    REMOVED = "the consumer is deleted"
    MADE = "the other consumer is made"
    COMPLETED = "the timelines know all rows"


@frozen
class Patience:
    """How long is waited, and how often looked meanwhile.

    A subscriber that has lost its connection is back within `reconnect`, and a worker that has
    nothing to do pulls again within it. Who has just ended may seem to listen for as long as
    `leaving`. `transactions` bounds the wait for their end, and
    `stirring` that for a consumer that nobody listens to and somebody still settles at.
    """

    reconnect: timedelta = timedelta(seconds=5)
    leaving: timedelta = timedelta(seconds=3)
    transactions: timedelta = timedelta(minutes=5)
    stirring: timedelta = timedelta(minutes=5)
    look_every: timedelta = timedelta(seconds=0.25)


@frozen
class Parties:
    """The two consumers, the database, and whoever is told of each step once it is done."""

    handover: Handover
    transactions: PostgresTransactions
    backfill: Backfill
    clock: Clock
    tell: Callable[[Step], None]
    patience: Patience
