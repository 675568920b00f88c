"""WaitingMessages in memory."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from attrs import evolve, field, frozen

from snapshot_domain.ports import (
    QuarantineEntry,
    QuarantineId,
    QuarantineReason,
    QuarantineState,
    Resealed,
    WaitingMessage,
)
from snapshot_memory.quarantine import Key, MemoryQuarantine


@frozen
class MemoryWaitingMessages:
    """Looks at what waits in a MemoryQuarantine, by its clock."""

    _quarantine: MemoryQuarantine
    _claimed_until: dict[QuarantineId, datetime] = field(factory=dict)

    async def page(self, after: QuarantineId, limit: int) -> Sequence[WaitingMessage]:
        """See WaitingMessages."""
        waiting = [
            self._waiting(key, entry)
            for key, entry in self._quarantine.entries.items()
            if _waits(entry) and entry.entry_id > after
        ]
        return sorted(waiting, key=lambda each: each.entry_id)[:limit]

    async def claim(
        self, entry_ids: Sequence[QuarantineId], lasts: timedelta
    ) -> AbstractSet[QuarantineId]:
        """See WaitingMessages."""
        now = self._quarantine.clock.now()
        ours = {
            entry.entry_id
            for _, entry in self._those(entry_ids)
            if self._claimed_until.get(entry.entry_id, now) <= now
        }
        self._claimed_until.update(dict.fromkeys(ours, now + lasts))
        return ours

    async def keep_for_a_person(self, resealed: Sequence[Resealed]) -> AbstractSet[QuarantineId]:
        """See WaitingMessages."""
        by_id = {each.entry_id: each for each in resealed}
        kept = set()
        for key, entry in self._those(by_id):
            message, new = self._quarantine.messages[key], by_id[entry.entry_id]
            if message.ciphertext == new.former:
                waits_no_more = evolve(message, waiting=False, ciphertext=new.ciphertext)
                self._quarantine.messages[key] = waits_no_more
                self._quarantine.entries[key] = evolve(entry, waiting=False)
                kept.add(entry.entry_id)
        return kept

    async def discard_orphans(self, entry_ids: Sequence[QuarantineId]) -> AbstractSet[QuarantineId]:
        """See WaitingMessages."""
        discarded = set()
        for key, entry in self._those(entry_ids):
            if entry.reason is QuarantineReason.ORPHAN:
                del self._quarantine.messages[key]
                self._quarantine.entries[key] = evolve(entry, state=QuarantineState.DROPPED)
                discarded.add(entry.entry_id)
        return discarded

    async def check(self) -> None:
        """Memory always answers."""

    def _those(self, entry_ids: Iterable[QuarantineId]) -> list[tuple[Key, QuarantineEntry]]:
        """Those that wait now."""
        wanted = set(entry_ids)
        entries = self._quarantine.entries.items()
        return [(key, each) for key, each in entries if each.entry_id in wanted and _waits(each)]

    def _waiting(self, key: Key, entry: QuarantineEntry) -> WaitingMessage:
        return WaitingMessage(
            entry_id=entry.entry_id,
            reason=entry.reason,
            device_id=entry.device_id,
            tenant_id=entry.tenant_id,
            size_bytes=entry.size_bytes,
            waited=self._quarantine.clock.now() - self._quarantine.kept_at[key],
        )


def _waits(entry: QuarantineEntry) -> bool:
    return entry.waiting and entry.state is QuarantineState.KEPT
