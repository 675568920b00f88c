"""Quarantine in memory."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from attrs import define, field

from snapshot_domain.delivery import Origin
from snapshot_domain.ports import (
    QuarantinedMessage,
    QuarantineEntry,
    QuarantineId,
    QuarantineState,
)

Key: TypeAlias = tuple[Origin, datetime]
"""What says which message it is: its origin and its time of receipt."""


@define
class MemoryQuarantine:
    """The messages that are kept, and an entry for each that ever was."""

    messages: dict[Key, QuarantinedMessage] = field(factory=dict)
    entries: dict[Key, QuarantineEntry] = field(factory=dict)

    async def keep(self, messages: Sequence[QuarantinedMessage]) -> None:
        """See Quarantine."""
        for message in messages:
            self._keep(message)

    async def check(self) -> None:
        """Memory always answers."""

    def _keep(self, message: QuarantinedMessage) -> None:
        key = (message.origin, message.received_at)
        entry = self.entries.get(key)
        if entry is not None and _stands(entry, message):
            return
        entry_id = entry.entry_id if entry else QuarantineId(len(self.entries) + 1)
        self.messages[key] = message
        self.entries[key] = _entry(entry_id, message)


def _stands(entry: QuarantineEntry, message: QuarantinedMessage) -> bool:
    """Whether the entry stays as it is, now that its message is to be kept once more."""
    if entry.state is not QuarantineState.KEPT:
        return True
    return (entry.reason, entry.detail) == (message.reason, message.detail)


def _entry(entry_id: QuarantineId, message: QuarantinedMessage) -> QuarantineEntry:
    return QuarantineEntry(
        entry_id=entry_id,
        state=QuarantineState.KEPT,
        origin=message.origin,
        subject=message.subject,
        received_at=message.received_at,
        reason=message.reason,
        detail=message.detail,
        waiting=message.waiting,
        device_id=message.device_id,
        tenant_id=message.tenant_id,
        size_bytes=message.size_bytes,
    )
