"""HashRepository in memory: the rules of the timeline, spelled out."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import count
from uuid import UUID

from attrs import define, evolve, field, frozen

from snapshot_domain.digests import another_key, key_gone
from snapshot_domain.model import (
    Ciphertext,
    DataKeyId,
    DeviceId,
    Digest,
    DigestKeyId,
    EncryptedSnapshot,
    SnapshotFlag,
    SnapshotId,
    SnapshotKey,
    StoredPosition,
    TenantId,
    WrappedDigestKey,
    WrappedKey,
)
from snapshot_domain.outcome import AlreadyStored, Orphaned, Stored, Unchanged
from snapshot_domain.ports import NeedsCiphertext, StoreAnswer
from snapshot_memory.device_directory import MemoryDeviceDirectory

Position = tuple[datetime, int]


@define
class Run:
    """A stored snapshot's place in its timeline: the device had this text from start to end."""

    snapshot_id: SnapshotId
    tenant_id: TenantId
    digest: Digest
    start: Position
    end: Position
    flags: SnapshotFlag
    digest_key_id: DigestKeyId | None = None
    stored_in: int = 0
    plaintext_bytes: int = 0
    stored_bytes: int = 0
    format: str = ""

    @property
    def position(self) -> StoredPosition:
        """The transaction that stored it."""
        return StoredPosition(self.stored_in)


@frozen
class StoredRow:
    """What the backend's own table holds of a stored snapshot."""

    device_id: DeviceId
    tenant_id: TenantId
    digest: Digest
    collected_at: datetime
    ciphertext: Ciphertext


@define
class MemoryHashRepository:
    """A timeline a device, and beside them the rows, which others may delete.

    There is no await inside `store`, so that it is atomic without a lock.
    """

    _directory: MemoryDeviceDirectory
    rows: dict[SnapshotId, StoredRow] = field(factory=dict)
    timelines: dict[DeviceId, list[Run]] = field(factory=dict)
    data_keys: dict[DataKeyId, WrappedKey] = field(factory=dict)
    digest_key: WrappedDigestKey | None = None
    transactions: int = 0
    _numbers: "count[int]" = field(factory=lambda: count(1))

    async def unchanged(self, keys: Sequence[SnapshotKey]) -> Sequence[bool]:
        """See HashRepository."""
        return [self._has_text_of(self._run_at(key), key) for key in keys]

    async def store(self, batch: Sequence[EncryptedSnapshot]) -> Sequence[StoreAnswer]:
        """See HashRepository."""
        self._refuse_other_keys(batch)
        self.transactions += 1
        answers: dict[int, StoreAnswer] = {}
        for index in sorted(range(len(batch)), key=lambda index: batch[index].key.position):
            answers[index] = self._store_one(batch[index])
        return [answers[index] for index in range(len(batch))]

    async def check(self) -> None:
        """Memory always answers."""

    @property
    def newest_position(self) -> StoredPosition:
        """That of the newest transaction."""
        return StoredPosition(self.transactions)

    def keep_data_key(self, ciphertext: Ciphertext) -> None:
        """Keeps the data key that the ciphertext brings, if it brings one."""
        key = ciphertext.wrapped_key
        if key is not None:
            self.data_keys.setdefault(key.key_id, key)

    def _refuse_other_keys(self, batch: Sequence[EncryptedSnapshot]) -> None:
        """A digest that is not under the kept key could not be compared with those that are."""
        kept = None if self.digest_key is None else self.digest_key.key_id
        used = {None if each.key.keying is None else each.key.keying.key_id for each in batch}
        runs = [run for each in batch for run in self.timelines.get(each.key.device_id, [])]
        if kept is None and (used - {None} or any(run.digest_key_id for run in runs)):
            raise key_gone()
        if kept is not None and used - {kept}:
            raise another_key()

    def with_data_key(self, ciphertext: Ciphertext) -> Ciphertext:
        """The ciphertext together with the kept data key that it names, if it names one."""
        key_id = ciphertext.data_key_id
        key = None if key_id is None else self.data_keys.get(key_id)
        return evolve(ciphertext, wrapped_key=key)

    def _store_one(self, snapshot: EncryptedSnapshot) -> StoreAnswer:
        key = snapshot.key
        if self._directory.owner_of(key.device_id) != key.tenant_id:
            return Orphaned()
        if self._starts_a_run(key):
            return AlreadyStored()
        run = self._run_at(key)
        if run is not None and self._has_text_of(run, key) and run.snapshot_id in self.rows:
            run.end = max(run.end, key.position)
            return Unchanged()
        if snapshot.ciphertext is None:
            return NeedsCiphertext()
        if run is not None and key.position < run.end:
            self._split(key.device_id, run)
        key_id = None if key.keying is None else key.keying.key_id
        return self._add(key, snapshot.ciphertext, snapshot.flags, key_id, snapshot.plaintext_bytes)

    def _split(self, device: DeviceId, run: Run) -> None:
        """The run's text came back at its end: that is a run of its own from now on."""
        row = self.rows.get(run.snapshot_id)
        if row is not None:
            collected_at, sequence = run.end
            copy_key = SnapshotKey(device, run.tenant_id, collected_at, sequence, run.digest)
            flags = run.flags | SnapshotFlag.COPY
            self._add(copy_key, row.ciphertext, flags, run.digest_key_id, run.plaintext_bytes)
        run.end = run.start

    def _add(
        self,
        key: SnapshotKey,
        ciphertext: Ciphertext,
        flags: SnapshotFlag,
        digest_key_id: DigestKeyId | None,
        plaintext_bytes: int,
    ) -> Stored:
        snapshot_id = SnapshotId(UUID(int=next(self._numbers)))
        self.keep_data_key(ciphertext)
        self.rows[snapshot_id] = StoredRow(
            key.device_id, key.tenant_id, key.digest, key.collected_at, ciphertext
        )
        timeline = self.timelines.setdefault(key.device_id, [])
        place = self._place_of(key)
        run = Run(
            *(snapshot_id, key.tenant_id, key.digest, key.position, key.position, flags),
            digest_key_id=digest_key_id,
            stored_in=self.transactions,
            plaintext_bytes=plaintext_bytes,
            stored_bytes=len(ciphertext.text),
            format=ciphertext.format,
        )
        timeline.insert(place, run)
        return Stored(
            snapshot_id,
            previous_id=timeline[place - 1].snapshot_id if place > 0 else None,
            next_id=timeline[place + 1].snapshot_id if place + 1 < len(timeline) else None,
            position=run.position,
        )

    def _place_of(self, key: SnapshotKey) -> int:
        """How many of the device's runs start at or before the key's position."""
        timeline = self.timelines.get(key.device_id, [])
        return bisect_right(timeline, key.position, key=lambda run: run.start)

    def _run_at(self, key: SnapshotKey) -> Run | None:
        place = self._place_of(key)
        return self.timelines[key.device_id][place - 1] if place > 0 else None

    def _starts_a_run(self, key: SnapshotKey) -> bool:
        return any(
            run.start == key.position and key.is_known_by(run.digest)
            for run in self.timelines.get(key.device_id, [])
        )

    def _has_text_of(self, run: Run | None, key: SnapshotKey) -> bool:
        return run is not None and key.is_known_by(run.digest) and run.tenant_id == key.tenant_id
