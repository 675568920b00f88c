"""TenantRows: every stored row of one tenant, for whoever tries to open them all."""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from snapshot_domain.model import Ciphertext, DeviceId, Digest, SnapshotId, TenantId


@frozen
class TenantRow:
    """A row's ciphertext, and what it is bound to; no digest where no run of ours is behind it."""

    snapshot_id: SnapshotId
    device_id: DeviceId
    tenant_id: TenantId
    digest: Digest | None
    ciphertext: Ciphertext


class TenantRows(Protocol):
    """The reader's, whoever wrote the rows. Raises `Unavailable` or `Misconfigured`."""

    async def ids(self, tenant_id: TenantId) -> Sequence[SnapshotId]:
        """Of all rows that the tenant has now, in order."""
        ...

    async def rows(self, tenant_id: TenantId, wanted: Sequence[SnapshotId]) -> Sequence[TenantRow]:
        """The first ones of `wanted` that are still there, in the order of their ids.

        Together not so large that they would not fit into a few megabytes, but at least one.
        """
        ...
