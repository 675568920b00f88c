"""What the contract of HashRepository needs around an adapter, and how it tells of a device."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol
from uuid import uuid4

from attrs import frozen

from snapshot_domain.model import (
    Ciphertext,
    DeviceId,
    Digest,
    EncryptedSnapshot,
    SnapshotFlag,
    SnapshotId,
    SnapshotKey,
    TenantId,
)
from snapshot_domain.outcome import Stored
from snapshot_domain.ports import HashRepository, StoreAnswer

START = datetime(2026, 4, 2, 6, 0, tzinfo=UTC)


@frozen
class RawRow:
    """A row of the backend's own table."""

    snapshot_id: SnapshotId
    device_id: DeviceId
    tenant_id: TenantId
    collected_at: datetime
    ciphertext: str
    digest: str


@frozen
class RawRun:
    """A run as it is kept: positions are (time, sequence)."""

    snapshot_id: SnapshotId
    tenant_id: TenantId
    digest: str
    start: tuple[datetime, int]
    end: tuple[datetime, int]
    flags: SnapshotFlag


class RepositoryWorld(Protocol):
    """A HashRepository under test, and everything around it, by ways that go around it.

    The contract makes devices and tenants of its own for each test, so one world may serve
    many tests.
    """

    @property
    def repository(self) -> HashRepository:
        """The adapter under test."""
        ...

    async def register(self, device: DeviceId, tenant: TenantId) -> None:
        """The device (and its tenant) is there from now on; one that is there moves."""
        ...

    async def remove(self, device: DeviceId) -> None:
        """The device is gone, and with it its rows."""
        ...

    async def delete_row(self, snapshot_id: SnapshotId) -> None:
        """Deletes a row behind the adapter's back, as the backend's retention does."""
        ...

    async def rows(self, device: DeviceId) -> Sequence[RawRow]:
        """All rows of the device, whatever the tenant, in no order."""
        ...

    async def runs(self, device: DeviceId) -> Sequence[RawRun]:
        """All runs of the device in the order of their starts."""
        ...


def digest_of(text: str) -> Digest:
    """The digest of a made-up configuration."""
    return Digest(hashlib.sha256(text.encode()).hexdigest())


class Story:
    """One device and what is told of it: a text, and the hour and sequence of its message."""

    def __init__(self, world: RepositoryWorld, tenant: TenantId | None = None) -> None:
        self.world = world
        self.device = DeviceId(uuid4())
        self.tenant = tenant or TenantId(uuid4())
        self._serials = count(1)

    async def begin(self) -> "Story":
        """Registers the device."""
        await self.world.register(self.device, self.tenant)
        return self

    def at(self, hour: float, sequence: int | None = None) -> tuple[datetime, int]:
        """A position; the sequence follows the hour unless it is given."""
        return START + timedelta(hours=hour), int(hour * 10) if sequence is None else sequence

    def key(self, text: str, hour: float, sequence: int | None = None) -> SnapshotKey:
        """The key of a message."""
        return SnapshotKey(self.device, self.tenant, *self.at(hour, sequence), digest_of(text))

    def snapshot(
        self, text: str, hour: float, sequence: int | None = None, *, encrypted: bool = True
    ) -> EncryptedSnapshot:
        """A message's snapshot; each has a ciphertext of its own, as a real cipher makes it."""
        sealed = Ciphertext(f"vault:v1:{text}:{self.device}:{next(self._serials)}")
        return EncryptedSnapshot(
            self.key(text, hour, sequence), sealed if encrypted else None, len(text)
        )

    async def tell(self, text: str, hour: float, sequence: int | None = None) -> StoreAnswer:
        """Stores one message in a batch of its own."""
        [answer] = await self.world.repository.store([self.snapshot(text, hour, sequence)])
        return answer

    async def stored(self, text: str, hour: float, sequence: int | None = None) -> Stored:
        """Stores one message, which must be answered `Stored`."""
        return the_stored(await self.tell(text, hour, sequence))

    async def runs(self) -> list[RawRun]:
        """The runs in order; what a row claims of its run is checked on the way."""
        rows = {row.snapshot_id: row for row in await self.world.rows(self.device)}
        runs = list(await self.world.runs(self.device))
        for run in runs:
            row = rows.pop(run.snapshot_id, None)
            if row is not None:
                claimed = (row.device_id, row.tenant_id, row.digest, row.collected_at)
                assert claimed == (self.device, run.tenant_id, run.digest, run.start[0])
                assert digest_of(row.ciphertext.split(":")[2]).hex == row.digest
        assert not rows, "a row without a run"
        return runs

    async def texts(self, *texts: str) -> list[str]:
        """The runs' texts in order, by their digests, of the texts that are given."""
        names = {digest_of(text).hex: text for text in texts}
        return [names[run.digest] for run in await self.runs()]


def the_stored(answer: StoreAnswer) -> Stored:
    """The answer, which must be `Stored`."""
    assert isinstance(answer, Stored), answer
    return answer
