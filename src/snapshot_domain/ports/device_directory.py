"""DeviceDirectory: whose device is it."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

from snapshot_domain.model import DeviceId, TenantId


class DeviceDirectory(Protocol):
    """Knows which devices there are and which tenant owns each."""

    async def owners(self, devices: AbstractSet[DeviceId]) -> Mapping[DeviceId, TenantId]:
        """The owner of each of the devices; an unknown device is absent.

        Raises `Unavailable`; raises `Misconfigured` if it can see no device at all although
        there are some: that is a fault of its rights, never a fleet of orphans.
        """
        ...

    async def check(self) -> None:
        """Returns if it really answers and sees devices; raises as `owners` does."""
        ...
