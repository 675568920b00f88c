"""Cipher that encrypts in the process, under data keys that each tenant's own key wraps."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from snapshot_domain.model import Ciphertext
from snapshot_domain.ports.cipher import Cipher, CipherAnswer, CipherItem, TenantKey
from snapshot_domain.ports.clock import Clock
from snapshot_openbao.compression import compress
from snapshot_openbao.data_keys import DataKeyLimits, DataKeys
from snapshot_openbao.envelope_format import DataKey, seal
from snapshot_openbao.threads import Threads

_ITEMS_A_THREAD = 50


class EnvelopeCipher:
    """Configurations become `si1e:<data key id>:…`, each with its wrapped key beside it.

    Only a data key goes to `wrapper`, once in its lifetime, and for the tenant's own key: so the
    rights that encryption needs stay the same. Keys of our own are `wrapper`'s affair.
    """

    def __init__(
        self,
        wrapper: Cipher,
        threads: Threads,
        clock: Clock,
        limits: DataKeyLimits | None = None,
    ) -> None:
        self._wrapper = wrapper
        self._threads = threads
        self._keys = DataKeys(wrapper, clock, limits)

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        """For each item, in order, its ciphertext or the fault that kept it from one."""
        own = [place for place, item in enumerate(items) if not isinstance(item.key, TenantKey)]
        answers = await self._envelop(items)
        if own:
            by_wrapper = await self._wrapper.encrypt([items[place] for place in own])
            answers.update(zip(own, by_wrapper, strict=True))
        return [answers[place] for place in range(len(items))]

    async def check(self) -> None:
        """Returns if data keys can be wrapped; raises `Unavailable` or `Misconfigured`."""
        await self._wrapper.check()

    async def _envelop(self, items: Sequence[CipherItem]) -> dict[int, CipherAnswer]:
        """By its place, the answer for each item of a tenant."""
        tenants = {
            place: item.key.tenant_id
            for place, item in enumerate(items)
            if isinstance(item.key, TenantKey)
        }
        keys = await self._keys.take(Counter(tenants.values()))
        work: list[tuple[int, CipherItem, DataKey]] = []
        answers: dict[int, CipherAnswer] = {}
        for place, tenant_id in tenants.items():
            key = keys[tenant_id]
            if isinstance(key, DataKey):
                work.append((place, items[place], key))
            else:
                answers[place] = key
        parts = [
            work[first : first + _ITEMS_A_THREAD] for first in range(0, len(work), _ITEMS_A_THREAD)
        ]
        sealed = await asyncio.gather(
            *(self._threads.run(partial(_seal_all, part)) for part in parts)
        )
        for part in sealed:
            answers.update(part)
        return answers


def _seal_all(work: Sequence[tuple[int, CipherItem, DataKey]]) -> Mapping[int, Ciphertext]:
    return {place: seal(key, compress(item.plaintext), item.aad) for place, item, key in work}
