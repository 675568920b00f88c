"""Quarantine in memory."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from attrs import define, field

from snapshot_domain.delivery import Origin
from snapshot_domain.ports import (
    Clock,
    QuarantinedMessage,
    QuarantineEntry,
    QuarantineId,
    QuarantineReason,
    QuarantineState,
)
from snapshot_memory.clock import ManualClock

Key: TypeAlias = tuple[Origin, datetime]
"""What says which message it is: its origin and its time of receipt."""


@define
class MemoryQuarantine:
    """The messages that are kept, an entry for each that is remembered, and since when."""

    clock: Clock = field(factory=ManualClock)
    messages: dict[Key, QuarantinedMessage] = field(factory=dict)
    entries: dict[Key, QuarantineEntry] = field(factory=dict)
    kept_at: dict[Key, datetime] = field(factory=dict)
    _ids_given: int = 0

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
        was_orphan = entry is None or entry.reason is QuarantineReason.ORPHAN
        if message.reason is QuarantineReason.ORPHAN and not was_orphan:
            del self.kept_at[key]
        self.messages[key] = message
        self.entries[key] = _entry(entry.entry_id if entry else self._new_id(), message)
        self.kept_at.setdefault(key, self.clock.now())

    def _new_id(self) -> QuarantineId:
        self._ids_given += 1
        return QuarantineId(self._ids_given)


def _stands(entry: QuarantineEntry, message: QuarantinedMessage) -> bool:
    """Whether the entry stays as it is, now that its message is to be kept once more."""
    if entry.state is not QuarantineState.KEPT:
        return True
    if entry.reason is QuarantineReason.HASH_MISMATCH:
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
