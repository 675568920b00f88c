"""TenantRecords: what is kept of one tenant beside its rows, for an operator who erases it."""

from collections.abc import AsyncIterator
from typing import Protocol

from attrs import frozen

from snapshot_domain.model import TenantId


@frozen
class Records:
    """How many there are of each kind; of the quarantine, messages whose content is kept."""

    heads: int = 0
    runs: int = 0
    data_keys: int = 0
    quarantined: int = 0

    def __add__(self, other: "Records") -> "Records":
        return Records(
            self.heads + other.heads,
            self.runs + other.runs,
            self.data_keys + other.data_keys,
            self.quarantined + other.quarantined,
        )

    @property
    def total(self) -> int:
        """All of them."""
        return self.heads + self.runs + self.data_keys + self.quarantined


class TenantRecords(Protocol):
    """Safe beside running workers. Every method raises `Unavailable` or `Misconfigured`."""

    async def kept(self, tenant_id: TenantId) -> Records:
        """What there is now."""
        ...

    def erase(self, tenant_id: TenantId) -> AsyncIterator[Records]:
        """Erases all of it, a part at a time, and yields after each what it erased.

        The heads are erased under their devices' locks. Of a quarantined message the content
        goes and its origin stays, so that a redelivery does not bring it back.
        """
        ...

    async def unattributed(self) -> int:
        """How many quarantined messages are kept of which nobody can say whose they are."""
        ...

    async def check(self) -> None:
        """Returns if all of it can be erased."""
        ...
