"""StoredSnapshots in memory."""

from collections.abc import Sequence

from attrs import frozen

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_domain.model import (
    DeviceId,
    SnapshotFlag,
    SnapshotId,
    SnapshotKey,
    StoredPosition,
)
from snapshot_domain.ports import SnapshotNotice, StoredPage
from snapshot_memory.hash_repository import MemoryHashRepository, Run


@frozen
class MemoryStoredSnapshots:
    """Looks at the timelines of a MemoryHashRepository, whose transactions are never open."""

    _repository: MemoryHashRepository

    async def since(self, position: StoredPosition, limit: int) -> StoredPage:
        """See StoredSnapshots."""
        if position.transaction > self._repository.transactions:
            raise Misconfigured(Dependency.REPOSITORY, "the position is of another store")
        found = [
            (device_id, run)
            for device_id, timeline in self._repository.timelines.items()
            for run in timeline
            if run.position > position and SnapshotFlag.COPY not in run.flags
        ]
        found.sort(key=lambda each: (each[1].position, each[1].start))
        if len(found) < limit:
            read_to = self._repository.newest_position
        else:
            read_to = found[limit - 1][1].position
        page = [self._notice(*each) for each in found if each[1].position <= read_to]
        return StoredPage(page, read_to)

    def _notice(self, device_id: DeviceId, run: Run) -> SnapshotNotice:
        timeline = self._repository.timelines[device_id]
        return SnapshotNotice(
            key=SnapshotKey(device_id, run.tenant_id, *run.start, run.digest),
            snapshot_id=run.snapshot_id,
            previous_id=_previous(timeline, run),
            next_id=_next(timeline, run),
            position=run.position,
            plaintext_bytes=run.plaintext_bytes,
            stored_bytes=run.stored_bytes,
            format=run.format,
            digest_key_id=run.digest_key_id,
        )


def _previous(timeline: Sequence[Run], run: Run) -> SnapshotId | None:
    """The run before it when it was stored: what came later was not there."""
    earlier = [each for each in timeline[: timeline.index(run)] if each.stored_in <= run.stored_in]
    return earlier[-1].snapshot_id if earlier else None


def _next(timeline: Sequence[Run], run: Run) -> SnapshotId | None:
    """The run after it when it was stored, which its own transaction may have made of a split."""
    later = [
        each
        for each in timeline[timeline.index(run) + 1 :]
        if each.stored_in < run.stored_in
        or (each.stored_in == run.stored_in and SnapshotFlag.COPY in each.flags)
    ]
    return later[0].snapshot_id if later else None
