"""Quarantine in memory."""

from collections.abc import Sequence
from datetime import datetime

from attrs import define, field

from snapshot_domain.delivery import Origin
from snapshot_domain.ports import QuarantinedMessage


@define
class MemoryQuarantine:
    """A dictionary by origin and time of receipt."""

    messages: dict[tuple[Origin, datetime], QuarantinedMessage] = field(factory=dict)

    async def keep(self, messages: Sequence[QuarantinedMessage]) -> None:
        """See Quarantine."""
        for message in messages:
            self.messages.setdefault((message.origin, message.received_at), message)

    async def check(self) -> None:
        """Memory always answers."""
