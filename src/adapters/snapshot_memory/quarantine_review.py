"""QuarantineReview in memory."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from attrs import evolve, frozen

from snapshot_domain.delivery import Origin
from snapshot_domain.ports import (
    QuarantinedMessage,
    QuarantineEntry,
    QuarantineId,
    QuarantineSelection,
    QuarantineState,
)
from snapshot_memory.quarantine import Key, MemoryQuarantine


@frozen
class MemoryQuarantineReview:
    """Looks into a MemoryQuarantine."""

    _quarantine: MemoryQuarantine

    async def newest(self, selection: QuarantineSelection, limit: int) -> Sequence[QuarantineEntry]:
        """See QuarantineReview."""
        return self._kept(selection)[::-1][:limit]

    async def select(self, selection: QuarantineSelection) -> Sequence[QuarantineId]:
        """See QuarantineReview."""
        return [entry.entry_id for entry in self._kept(selection)]

    async def entries(self, entry_ids: Sequence[QuarantineId]) -> Sequence[QuarantineEntry]:
        """See QuarantineReview."""
        by_id = {entry.entry_id: entry for entry in self._quarantine.entries.values()}
        return [by_id[each] for each in entry_ids if each in by_id]

    async def messages(
        self, entry_ids: Sequence[QuarantineId]
    ) -> Mapping[QuarantineId, QuarantinedMessage]:
        """See QuarantineReview."""
        return {
            entry.entry_id: self._quarantine.messages[_key(entry)]
            for entry in await self.entries(entry_ids)
            if entry.state is QuarantineState.KEPT
        }

    async def mark_replayed(self, entry_ids: Sequence[QuarantineId]) -> None:
        """See QuarantineReview."""
        await self._put_aside(entry_ids, QuarantineState.REPLAYED)

    async def drop(self, entry_ids: Sequence[QuarantineId]) -> AbstractSet[QuarantineId]:
        """See QuarantineReview."""
        return await self._put_aside(entry_ids, QuarantineState.DROPPED)

    async def forget(self, floor: Origin) -> None:
        """See QuarantineReview."""
        entries = self._quarantine.entries
        for key in [key for key, entry in entries.items() if _is_past(entry, floor)]:
            del entries[key], self._quarantine.kept_at[key]

    async def check(self) -> None:
        """Memory always answers."""

    def _kept(self, selection: QuarantineSelection) -> list[QuarantineEntry]:
        """Of the selection, the first received first."""
        kept = [
            entry
            for entry in self._quarantine.entries.values()
            if entry.state is QuarantineState.KEPT and _matches(entry, selection)
        ]
        return sorted(kept, key=lambda entry: (entry.received_at, entry.entry_id))

    async def _put_aside(
        self, entry_ids: Sequence[QuarantineId], state: QuarantineState
    ) -> AbstractSet[QuarantineId]:
        put_aside = set()
        for entry in await self.entries(entry_ids):
            if entry.state is QuarantineState.KEPT:
                del self._quarantine.messages[_key(entry)]
                self._quarantine.entries[_key(entry)] = evolve(entry, state=state)
                put_aside.add(entry.entry_id)
        return put_aside


def _key(entry: QuarantineEntry) -> Key:
    return entry.origin, entry.received_at


def _is_past(entry: QuarantineEntry, floor: Origin) -> bool:
    """Whether nothing of it is kept, and its stream cannot deliver it any more."""
    if entry.state is QuarantineState.KEPT or entry.origin.stream != floor.stream:
        return False
    if entry.origin.stream_created_at > floor.stream_created_at:
        return False
    return entry.origin.sequence <= floor.sequence or entry.received_at < floor.stream_created_at


def _matches(entry: QuarantineEntry, selection: QuarantineSelection) -> bool:
    pairs = (
        (selection.reason, entry.reason),
        (selection.tenant_id, entry.tenant_id),
        (selection.device_id, entry.device_id),
        (selection.waiting, entry.waiting),
    )
    return all(asked is None or asked == found for asked, found in pairs)
