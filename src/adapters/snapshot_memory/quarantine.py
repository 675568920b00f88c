"""Quarantine in memory."""

from collections.abc import Sequence

from attrs import define, field

from snapshot_domain.delivery import Origin
from snapshot_domain.ports import QuarantinedMessage


@define
class MemoryQuarantine:
    """A dictionary by origin."""

    messages: dict[Origin, QuarantinedMessage] = field(factory=dict)

    async def keep(self, messages: Sequence[QuarantinedMessage]) -> None:
        """See Quarantine."""
        for message in messages:
            self.messages.setdefault(message.origin, message)
