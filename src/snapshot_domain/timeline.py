"""Where a snapshot stands in its device's timeline, and which of a batch look unchanged."""

from collections.abc import Sequence
from datetime import timedelta

from snapshot_domain.delivery import Delivery
from snapshot_domain.model import DeviceId, Snapshot, SnapshotKey


def key_of(
    snapshot: Snapshot, delivery: Delivery, max_clock_ahead: timedelta
) -> tuple[SnapshotKey, bool]:
    """The snapshot's key, and whether the time of receipt had to stand in for the poller's.

    Rule 5: it does where the poller's time is missing, unreadable, or further ahead of the
    stream's than `max_clock_ahead`. The stream's time is the same on every redelivery; a
    worker's own clock never counts.
    """
    collected_at = snapshot.collected_at
    use_received = collected_at is None or collected_at - delivery.received_at > max_clock_ahead
    key = SnapshotKey(
        device_id=snapshot.device_id,
        tenant_id=snapshot.tenant_id,
        collected_at=delivery.received_at if collected_at is None or use_received else collected_at,
        sequence=delivery.origin.sequence,
        digest=snapshot.digest,
    )
    return key, use_received


def look_unchanged(keys: Sequence[SnapshotKey], hints: Sequence[bool]) -> list[bool]:
    """For each key, whether it is worth a try to store it without a ciphertext.

    The repository's hint knows only what was stored before this batch. Where another snapshot
    of the same device stands before it in the batch, that one says more.
    """
    answers = list(hints)
    before: dict[DeviceId, SnapshotKey] = {}
    for index in sorted(range(len(keys)), key=lambda index: keys[index].position):
        key = keys[index]
        neighbour = before.get(key.device_id)
        if neighbour is not None:
            answers[index] = _same_text(neighbour, key)
        before[key.device_id] = key
    return answers


def _same_text(one: SnapshotKey, other: SnapshotKey) -> bool:
    return one.digest == other.digest and one.tenant_id == other.tenant_id
