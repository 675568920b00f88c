"""DigestRecords: the plain digests that are stored, for an operator who makes them keyed."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from attrs import frozen

from snapshot_domain.model import (
    Ciphertext,
    DeviceId,
    Digest,
    DigestKeyId,
    SnapshotId,
    TenantId,
)


@frozen
class DigestRecord:
    """A run's plain digest; with its ciphertext where that is bound to the digest."""

    snapshot_id: SnapshotId
    device_id: DeviceId
    tenant_id: TenantId
    digest: Digest
    ciphertext: Ciphertext | None


@frozen
class DigestSwap:
    """The keyed digest that takes a plain one's place, and the ciphertext that is bound to it."""

    record: DigestRecord
    digest: Digest
    ciphertext: Ciphertext | None


class DigestRecords(Protocol):
    """The runs of our timelines, also those whose rows others deleted.

    Safe beside running workers. Every method raises `Unavailable` or `Misconfigured`.
    """

    async def tenants(self) -> Sequence[TenantId]:
        """Every tenant that has a run."""
        ...

    async def count_plain(self, tenant_id: TenantId) -> int:
        """How many of the tenant's runs have a plain digest."""
        ...

    async def plain(
        self, tenant_id: TenantId, after: SnapshotId, limit: int
    ) -> Sequence[DigestRecord]:
        """Up to `limit` of them in the order of their ids, those with greater ids than `after`.

        Together not so large that they would not fit into a few megabytes, but at least one.
        """
        ...

    async def swap(
        self, key_id: DigestKeyId, swaps: Sequence[DigestSwap]
    ) -> AbstractSet[SnapshotId]:
        """Replaces each digest that is still the same, under its device's lock; says which were.

        Head, run, row and text change together or not at all. A text that changed meanwhile
        keeps its digest.
        """
        ...

    async def check(self) -> None:
        """Returns if digests can be looked at and replaced."""
        ...
