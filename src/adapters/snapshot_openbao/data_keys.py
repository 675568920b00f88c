"""The data keys that are warm: one a tenant, for a bounded time and number of uses."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import TypeAlias
from uuid import uuid4

from attrs import define, frozen

from snapshot_domain.errors import KeyMissing, Misconfigured, Refused, Unavailable
from snapshot_domain.model import Ciphertext, DataKeyId, TenantId, WrappedKey
from snapshot_domain.ports.cipher import Cipher, CipherItem, TenantKey
from snapshot_domain.ports.clock import Clock
from snapshot_openbao.envelope_format import DataKey, new_secret

NoDataKey: TypeAlias = Refused | KeyMissing | Unavailable | Misconfigured
"""Why a tenant has no data key."""


@frozen
class DataKeyLimits:
    """How long a data key is taken, and for how many texts at most.

    A key may seal 2^32 texts under random nonces (NIST SP 800-38D, 8.3); it is given up long
    before.
    """

    lifetime: timedelta = timedelta(minutes=15)
    uses: int = 2**20


@define
class _Warm:
    key: DataKey
    until: float
    uses_left: int


class DataKeys:
    """Makes a tenant's key when it is first needed, and has `wrapper` encrypt it before its use.

    Belongs to one event loop.
    """

    def __init__(self, wrapper: Cipher, clock: Clock, limits: DataKeyLimits | None = None) -> None:
        self._wrapper = wrapper
        self._clock = clock
        self._limits = limits or DataKeyLimits()
        self._warm: dict[TenantId, _Warm] = {}
        self._making = asyncio.Lock()

    def __len__(self) -> int:
        """How many tenants have a warm key."""
        return len(self._warm)

    async def take(self, wanted: Mapping[TenantId, int]) -> Mapping[TenantId, DataKey | NoDataKey]:
        """For each tenant a key for so many texts, or the fault that kept it from one.

        Tenants with a warm key need nobody: what they want goes on while the cipher is away.
        """
        taken: dict[TenantId, DataKey | NoDataKey] = {}
        cold = dict(wanted)
        self._take_warm(cold, taken)
        if cold:
            # One caller makes keys at a time, so that the next one finds them warm.
            async with self._making:
                self._take_warm(cold, taken)
                taken.update(await self._make(cold))
                self._take_warm(cold, taken)
        return taken

    def drop_expired(self) -> None:
        """Drops from memory every key that is past its time."""
        now = self._clock.monotonic()
        self._warm = {tenant: warm for tenant, warm in self._warm.items() if warm.until > now}

    def drop_all(self) -> None:
        """Drops every key from memory."""
        self._warm.clear()

    def _take_warm(
        self, cold: dict[TenantId, int], taken: dict[TenantId, DataKey | NoDataKey]
    ) -> None:
        """Moves those that have a warm key from `cold` to `taken`."""
        self.drop_expired()
        for tenant_id, uses in list(cold.items()):
            warm = self._warm.get(tenant_id)
            if warm is not None and warm.uses_left >= uses:
                warm.uses_left -= uses
                taken[tenant_id] = warm.key
                del cold[tenant_id]

    async def _make(self, wanted: Mapping[TenantId, int]) -> Mapping[TenantId, NoDataKey]:
        """Warms a new key for each of the tenants; returns those that get none."""
        secrets = {tenant_id: new_secret() for tenant_id in wanted}
        answers = await self._wrapper.encrypt(
            [CipherItem(TenantKey(tenant_id), secret) for tenant_id, secret in secrets.items()]
        )
        faults: dict[TenantId, NoDataKey] = {}
        until = self._clock.monotonic() + self._limits.lifetime.total_seconds()
        for (tenant_id, secret), answer in zip(secrets.items(), answers, strict=True):
            if isinstance(answer, Ciphertext):
                wrapped = WrappedKey(DataKeyId(uuid4()), tenant_id, answer.text)
                uses = max(self._limits.uses, wanted[tenant_id])
                self._warm[tenant_id] = _Warm(DataKey(wrapped, secret), until, uses)
            else:
                faults[tenant_id] = answer
        # A process that has nothing to do must not hold its keys for longer.
        delay_seconds = self._limits.lifetime.total_seconds()
        asyncio.get_running_loop().call_later(delay_seconds, self.drop_expired)
        return faults
