"""DeviceDirectory in memory."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from snapshot_domain.model import DeviceId, TenantId


class MemoryDeviceDirectory:
    """A dictionary of devices, which its owner may change at any time."""

    def __init__(self) -> None:
        self._owners: dict[DeviceId, TenantId] = {}

    def register(self, device: DeviceId, owner: TenantId) -> None:
        """Makes a device known, or gives it to another tenant."""
        self._owners[device] = owner

    def remove(self, device: DeviceId) -> None:
        """Makes a device unknown."""
        del self._owners[device]

    def owner_of(self, device: DeviceId) -> TenantId | None:
        """The device's tenant, None if the device is unknown."""
        return self._owners.get(device)

    async def owners(self, devices: AbstractSet[DeviceId]) -> Mapping[DeviceId, TenantId]:
        """See DeviceDirectory."""
        return {device: self._owners[device] for device in devices if device in self._owners}

    async def check(self) -> None:
        """Memory always answers."""
