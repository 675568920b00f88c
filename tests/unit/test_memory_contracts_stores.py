"""The memory adapters that keep something: hash repository, device directory and quarantine."""

from collections.abc import Sequence

import pytest
from attrs import evolve

from snapshot_conformance.device_directory import DeviceDirectoryContract
from snapshot_conformance.hash_repository import HashRepositoryContract
from snapshot_conformance.kept_positions import KeptPositionsContract
from snapshot_conformance.keyed_digests import KeyedDigestsContract
from snapshot_conformance.quarantine import QuarantineContract
from snapshot_conformance.repository_world import RawRow, RawRun, Story
from snapshot_conformance.stored_snapshots import StoredSnapshotsContract
from snapshot_conformance.stored_texts import StoredTextsContract
from snapshot_domain.model import DeviceId, SnapshotFlag, SnapshotId, TenantId
from snapshot_domain.ports import QuarantinedMessage
from snapshot_memory import (
    ManualClock,
    MemoryDeviceDirectory,
    MemoryDigestKeys,
    MemoryDigestRecords,
    MemoryHashRepository,
    MemoryKeptPositions,
    MemoryQuarantine,
    MemoryStoredSnapshots,
    MemoryStoredTexts,
)


class _MemoryStores:
    """Devices, their timelines and rows, and a quarantine."""

    def __init__(self) -> None:
        self.directory = MemoryDeviceDirectory()
        self.repository = MemoryHashRepository(self.directory)
        self.stored_texts = MemoryStoredTexts(self.repository)
        self.stored_snapshots = MemoryStoredSnapshots(self.repository)
        self.digest_keys = MemoryDigestKeys(self.repository)
        self.digest_records = MemoryDigestRecords(self.repository)
        self.quarantine = MemoryQuarantine()

    async def lose_digest_key(self) -> None:
        self.repository.digest_key = None

    async def register(self, device: DeviceId, tenant: TenantId) -> None:
        self.directory.register(device, tenant)

    async def remove(self, device: DeviceId) -> None:
        self.directory.remove(device)
        rows = self.repository.rows
        for snapshot_id in [key for key, row in rows.items() if row.device_id == device]:
            del rows[snapshot_id]

    async def delete_row(self, snapshot_id: SnapshotId) -> None:
        del self.repository.rows[snapshot_id]

    async def rows(self, device: DeviceId) -> Sequence[RawRow]:
        return [
            RawRow(
                snapshot_id,
                row.device_id,
                row.tenant_id,
                row.collected_at,
                row.ciphertext.text,
                row.digest.hex,
            )
            for snapshot_id, row in self.repository.rows.items()
            if row.device_id == device
        ]

    async def runs(self, device: DeviceId) -> Sequence[RawRun]:
        return [
            RawRun(run.snapshot_id, run.tenant_id, run.digest.hex, run.start, run.end, run.flags)
            for run in self.repository.timelines.get(device, [])
        ]

    async def kept(self, stream: str) -> Sequence[QuarantinedMessage]:
        kept = [each for each in self.quarantine.messages.values() if each.origin.stream == stream]
        return sorted(kept, key=lambda each: (each.origin.stream_created_at, each.origin.sequence))


class TestMemoryHashRepository(HashRepositoryContract):
    @pytest.fixture
    async def world(self) -> _MemoryStores:
        return _MemoryStores()

    async def test_a_copy_keeps_what_is_known_of_its_run(self, story: Story) -> None:
        first = evolve(story.snapshot("A", 1), flags=SnapshotFlag.DIGEST_MISMATCH)
        await story.world.repository.store([first])
        await story.tell("A", 5)
        await story.stored("B", 3)
        *_, copy = await story.runs()
        assert copy.flags == SnapshotFlag.DIGEST_MISMATCH | SnapshotFlag.COPY


class TestMemoryKeptPositions(KeptPositionsContract):
    @pytest.fixture
    async def positions(self) -> MemoryKeptPositions:
        return MemoryKeptPositions(ManualClock())


class TestMemoryDeviceDirectory(DeviceDirectoryContract):
    @pytest.fixture
    async def world(self) -> _MemoryStores:
        return _MemoryStores()


class TestMemoryStoredSnapshots(StoredSnapshotsContract):
    @pytest.fixture
    async def world(self) -> _MemoryStores:
        return _MemoryStores()


class TestMemoryStoredTexts(StoredTextsContract):
    @pytest.fixture
    async def world(self) -> _MemoryStores:
        return _MemoryStores()


class TestMemoryKeyedDigests(KeyedDigestsContract):
    @pytest.fixture
    async def world(self) -> _MemoryStores:
        return _MemoryStores()


class TestMemoryQuarantine(QuarantineContract):
    @pytest.fixture
    async def world(self) -> _MemoryStores:
        return _MemoryStores()
