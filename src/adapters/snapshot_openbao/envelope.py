"""Cipher that encrypts in the process, under data keys that each tenant's own key wraps."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeAlias

from snapshot_domain.model import Ciphertext
from snapshot_domain.ports.cipher import Cipher, CipherAnswer, CipherItem, TenantKey
from snapshot_domain.ports.clock import Clock
from snapshot_openbao.compression import compress_all
from snapshot_openbao.data_keys import DataKeyLimits, DataKeys
from snapshot_openbao.envelope_format import DataKey, Sealer
from snapshot_openbao.threads import Threads

_Work: TypeAlias = tuple[int, CipherItem, Sealer]
"""An item, its place among the answers, and what seals it."""


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
        sealers = {
            tenant_id: Sealer(key) for tenant_id, key in keys.items() if isinstance(key, DataKey)
        }
        work: list[_Work] = []
        answers: dict[int, CipherAnswer] = {}
        for place, tenant_id in tenants.items():
            key = keys[tenant_id]
            if isinstance(key, DataKey):
                work.append((place, items[place], sealers[tenant_id]))
            else:
                answers[place] = key
        if work:
            answers.update(await self._threads.run(partial(_seal_all, work)))
        return answers


def _seal_all(work: Sequence[_Work]) -> Mapping[int, Ciphertext]:
    compressed = compress_all([item.plaintext for _, item, _ in work])
    return {
        place: sealer.seal(body, item.aad)
        for (place, item, sealer), body in zip(work, compressed, strict=True)
    }
