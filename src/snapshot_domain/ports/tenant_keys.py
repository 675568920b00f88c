"""TenantKeys: takes a tenant's key out of use, for a while or for good."""

from enum import StrEnum
from typing import Protocol

from snapshot_domain.model import TenantId


class KeyState(StrEnum):
    """What a tenant's key is good for."""

    USABLE = "usable"
    FROZEN = "frozen"
    GONE = "gone"


class TenantKeys(Protocol):
    """An administrator's. It makes no key, whatever id it is asked for.

    Every method raises `Unavailable` or `Misconfigured`, and each but `state` raises
    `KeyMissing` if the tenant has no key. Each returns only when the key is seen to be so.
    """

    async def state(self, tenant_id: TenantId) -> KeyState:
        """The key as it is now."""
        ...

    async def freeze(self, tenant_id: TenantId) -> None:
        """From now on the key does nothing; `restore` undoes it."""
        ...

    async def restore(self, tenant_id: TenantId) -> None:
        """From now on a frozen key works again."""
        ...

    async def delete(self, tenant_id: TenantId) -> None:
        """Deletes the key, frozen or not. Nothing undoes it."""
        ...
