"""The data keys that are warm: one a tenant, for a bounded time and number of uses."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import uuid4

from attrs import define, frozen

from snapshot_domain.errors import Dependency, KeyMissing, Misconfigured, Refused, Unavailable
from snapshot_domain.model import Ciphertext, DataKeyId, TenantId, WrappedKey
from snapshot_domain.ports.cipher import Cipher, CipherItem, TenantKey
from snapshot_domain.ports.clock import Clock
from snapshot_openbao.envelope_format import DataKey, labelled, new_secret

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
    until_of_day: datetime
    uses_left: int


@frozen
class _Failed:
    fault: NoDataKey
    at: float


class DataKeys:
    """Makes a tenant's key when it is first needed, and has `wrapper` encrypt it before its use.

    Belongs to one event loop. A key dies by either clock: a machine that sleeps does not stop
    the time of day.
    """

    def __init__(self, wrapper: Cipher, clock: Clock, limits: DataKeyLimits | None = None) -> None:
        self._wrapper = wrapper
        self._clock = clock
        self._limits = limits or DataKeyLimits()
        self._warm: dict[TenantId, _Warm] = {}
        self._failed: dict[TenantId, _Failed] = {}
        self._making = asyncio.Lock()

    def __len__(self) -> int:
        """How many tenants have a warm key."""
        return len(self._warm)

    async def take(self, wanted: Mapping[TenantId, int]) -> Mapping[TenantId, DataKey | NoDataKey]:
        """For each tenant a key for so many texts, or the fault that kept it from one.

        Tenants with a warm key need nobody: what they want goes on while the cipher is away.
        """
        began = self._clock.monotonic()
        faults: dict[TenantId, NoDataKey] = {}
        if self._cold(wanted):
            # One caller makes keys at a time, so that the next one finds them warm; what it
            # failed at meanwhile, the next one need not try.
            async with self._making:
                self._failed = {
                    tenant: failed for tenant, failed in self._failed.items() if failed.at >= began
                }
                faults = {tenant: failed.fault for tenant, failed in self._failed.items()}
                cold = [tenant for tenant in self._cold(wanted) if tenant not in faults]
                if cold:
                    faults.update(await self._make({tenant: wanted[tenant] for tenant in cold}))
        return {tenant: self._use(tenant, uses, faults) for tenant, uses in wanted.items()}

    def drop_expired(self) -> None:
        """Drops from memory every key that is past its time."""
        now, now_of_day = self._clock.monotonic(), self._clock.now()
        self._warm = {
            tenant: warm
            for tenant, warm in self._warm.items()
            if warm.until > now and warm.until_of_day > now_of_day
        }

    def _cold(self, wanted: Mapping[TenantId, int]) -> list[TenantId]:
        self.drop_expired()
        return [
            tenant
            for tenant, uses in wanted.items()
            if tenant not in self._warm or self._warm[tenant].uses_left < uses
        ]

    def _use(
        self, tenant_id: TenantId, uses: int, faults: Mapping[TenantId, NoDataKey]
    ) -> DataKey | NoDataKey:
        warm = self._warm.get(tenant_id)
        if warm is None or warm.uses_left < uses:
            return faults.get(tenant_id) or _EXPIRED
        warm.uses_left -= uses
        return warm.key

    async def _make(self, wanted: Mapping[TenantId, int]) -> Mapping[TenantId, NoDataKey]:
        """Warms a new key for each of the tenants; returns those that get none."""
        made = {tenant_id: (DataKeyId(uuid4()), new_secret()) for tenant_id in wanted}
        answers = await self._wrapper.encrypt(
            [
                CipherItem(TenantKey(tenant_id), labelled(secret, tenant_id, key_id))
                for tenant_id, (key_id, secret) in made.items()
            ]
        )
        faults: dict[TenantId, NoDataKey] = {}
        lifetime = self._limits.lifetime
        until = self._clock.monotonic() + lifetime.total_seconds()
        until_of_day = self._clock.now() + lifetime
        for (tenant_id, (key_id, secret)), answer in zip(made.items(), answers, strict=True):
            if isinstance(answer, Ciphertext):
                key = DataKey(WrappedKey(key_id, tenant_id, answer.text), secret)
                uses = max(self._limits.uses, wanted[tenant_id])
                self._warm[tenant_id] = _Warm(key, until, until_of_day, uses)
            else:
                faults[tenant_id] = answer
                self._failed[tenant_id] = _Failed(answer, self._clock.monotonic())
        # A process that has nothing to do must not hold its keys for longer.
        asyncio.get_running_loop().call_later(lifetime.total_seconds(), self.drop_expired)
        return faults


_EXPIRED = Unavailable(
    Dependency.CIPHER, "a data key was used up or past its time before it could be taken"
)
