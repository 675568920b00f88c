"""StoredTexts: what is stored, for an operator who brings it under another key or format."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from attrs import frozen

from snapshot_domain.model import (
    Ciphertext,
    DataKeyId,
    DeviceId,
    Digest,
    SnapshotId,
    TenantId,
    WrappedKey,
)


@frozen
class StoredText:
    """A stored snapshot's ciphertext, and what it is bound to."""

    snapshot_id: SnapshotId
    device_id: DeviceId
    tenant_id: TenantId
    digest: Digest
    ciphertext: Ciphertext


@frozen
class TextSwap:
    """A stored text, and the ciphertext of the same content that takes its place."""

    stored: StoredText
    ciphertext: Ciphertext


@frozen
class DataKeySwap:
    """A data key as it was wrapped, and as it is wrapped now."""

    former: WrappedKey
    wrapped: WrappedKey


class StoredTexts(Protocol):
    """The texts of our timelines whose rows are still there.

    Safe beside running workers. Every method raises `Unavailable` or `Misconfigured`."""

    async def tenants(self) -> Sequence[TenantId]:
        """Every tenant that has a stored text or a data key."""
        ...

    async def under_other_versions(
        self, tenant_id: TenantId, version: int, after: SnapshotId, limit: int
    ) -> Sequence[StoredText]:
        """Up to `limit` of the tenant's texts that are directly under another key version.

        In the order of their ids, those with greater ids than `after`; together not so large
        that they would not fit into a few megabytes, but at least one.
        """
        ...

    async def in_other_formats(
        self, tenant_id: TenantId, chosen: str, after: SnapshotId, limit: int
    ) -> Sequence[StoredText]:
        """The same for the texts that have another format."""
        ...

    async def count_in_other_formats(self, tenant_id: TenantId, chosen: str) -> int:
        """How many of the tenant's texts have another format."""
        ...

    async def rows_of_others(self, tenant_id: TenantId) -> int:
        """How many of the tenant's rows are in no timeline: others wrote them, none is seen here.

        Takes long: it looks at every row that there is.
        """
        ...

    async def swap(self, swaps: Sequence[TextSwap]) -> AbstractSet[SnapshotId]:
        """Replaces each text that is still the same, under its device's lock; says which were.

        One whose digest changed meanwhile is not the same: a text may be bound to that.
        A text under a data key brings that with it.
        """
        ...

    async def data_keys(
        self, tenant_id: TenantId, version: int, after: DataKeyId, limit: int
    ) -> Sequence[WrappedKey]:
        """Up to `limit` of the tenant's data keys that are wrapped by another key version."""
        ...

    async def swap_data_keys(self, swaps: Sequence[DataKeySwap]) -> AbstractSet[DataKeyId]:
        """Replaces each data key that is still wrapped as it was; says which were."""
        ...

    async def versions(self, tenant_id: TenantId) -> Mapping[int, int]:
        """How many of the tenant's texts and data keys are under each version of its key."""
        ...

    async def check(self) -> None:
        """Returns if texts can be looked at and replaced."""
        ...
