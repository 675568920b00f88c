"""Remembers for a while which tenants' keys are missing, so that nobody asks for them each time."""

from snapshot_domain.model import TenantId
from snapshot_domain.ports.clock import Clock

REMEMBERED_SECONDS = 30.0


class MissingKeys:
    """A tenant is in it for `seconds` after it was added."""

    def __init__(self, clock: Clock, seconds: float = REMEMBERED_SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until: dict[TenantId, float] = {}

    def add(self, tenant_id: TenantId) -> None:
        """Remembers the tenant from now on, and forgets all whose time is over."""
        now = self._clock.monotonic()
        self._until = {tenant: until for tenant, until in self._until.items() if until > now}
        self._until[tenant_id] = now + self._seconds

    def __contains__(self, tenant_id: TenantId) -> bool:
        return self._until.get(tenant_id, float("-inf")) > self._clock.monotonic()
