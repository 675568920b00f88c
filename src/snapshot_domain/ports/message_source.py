"""MessageSource: where messages come from and go back to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attrs import frozen

from snapshot_domain.delivery import Delivery, Settlement


@frozen
class Backlog:
    """What the source still holds for us.

    `pending` messages were never delivered, `unsettled` ones are delivered and not yet
    settled, `redelivered` ones are unsettled and were delivered before. `oldest_at` is when
    the oldest message that is not settled was received, None if there is none or it is
    not known.
    """

    pending: int
    unsettled: int
    redelivered: int
    oldest_at: datetime | None

    @property
    def is_empty(self) -> bool:
        """Whether every message has been settled for good."""
        return self.pending == 0 and self.unsettled == 0


class MessageSource(Protocol):
    """Lends deliveries, each to be settled exactly once.

    Every method raises `Unavailable` when the source does not answer, and `Misconfigured`
    when an operator must act.
    """

    async def fetch(self, max_messages: int, max_bytes: int) -> Sequence[Delivery]:
        """Up to `max_messages` deliveries of together at most `max_bytes`.

        Returns as soon as there is something, and an empty sequence when nothing came for a
        while. A single message larger than `max_bytes` comes alone. Only one call may be
        under way at a time. It should be cancelled only where nothing may be waited for any
        more: what it was about to return may be held back from everybody until its deadline.
        """
        ...

    async def settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        """Settles each delivery, and returns when the source has taken notice of all.

        A settlement that is lost on the way means another delivery, never a lost message.
        """
        ...

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Asks for more time: starts the deadline of each delivery anew."""
        ...

    async def backlog(self) -> Backlog:
        """What the source still holds for us, asked of it now."""
        ...

    async def check(self) -> None:
        """Returns if the source really answers and would deliver."""
        ...
