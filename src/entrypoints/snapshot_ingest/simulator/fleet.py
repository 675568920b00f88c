"""Who takes part in a simulation: devices, and the tenants that own them."""

from collections.abc import Iterator

from attrs import field, frozen
from attrs.validators import ge

from snapshot_domain.model import DeviceId, TenantId
from snapshot_ingest.simulator.chance import named_uuid

DEFAULT_MAX_TENANTS = 8


@frozen
class SimulatedTenant:
    """A tenant to register."""

    tenant_id: TenantId
    name: str


@frozen
class SimulatedDevice:
    """A device to register."""

    number: int
    device_id: DeviceId
    tenant_id: TenantId
    hostname: str
    ip_address: str


@frozen
class Fleet:
    """Devices numbered from 0, shared out evenly among the tenants.

    Everything is made from the seed and a number when it is asked for: a fleet of any size
    takes no memory.
    """

    seed: int
    device_count: int = field(validator=ge(1))
    tenant_count: int = field(validator=ge(1))

    @tenant_count.default
    def _few_tenants(self) -> int:
        return min(self.device_count, DEFAULT_MAX_TENANTS)

    def device(self, number: int) -> SimulatedDevice:
        """The device of this number."""
        return SimulatedDevice(
            number=number,
            device_id=DeviceId(named_uuid(self.seed, "device", number)),
            tenant_id=self.tenant(number % self.tenant_count).tenant_id,
            hostname=f"router-{number:06}",
            ip_address=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        )

    def tenant(self, number: int) -> SimulatedTenant:
        """The tenant of this number."""
        return SimulatedTenant(
            tenant_id=TenantId(named_uuid(self.seed, "tenant", number)),
            name=f"tenant-{self.seed}-{number:04}",
        )

    def devices(self) -> Iterator[SimulatedDevice]:
        """All devices."""
        return map(self.device, range(self.device_count))

    def tenants(self) -> Iterator[SimulatedTenant]:
        """All tenants; with fewer devices than tenants some own none."""
        return map(self.tenant, range(self.tenant_count))

    def unknown_device_id(self, number: int) -> DeviceId:
        """The id of a device that is not of the fleet."""
        return DeviceId(named_uuid(self.seed, "unknown device", number))

    def foreign_tenant_id(self, number: int) -> TenantId:
        """A tenant that does not own the device: another of the fleet's, if there is one."""
        if self.tenant_count == 1:
            return TenantId(named_uuid(self.seed, "unknown tenant"))
        return self.tenant((number + 1) % self.tenant_count).tenant_id
