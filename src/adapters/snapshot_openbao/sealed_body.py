"""QuarantineCipher: whole messages, encrypted in the process: none is too large or too odd."""

from collections.abc import Sequence
from functools import partial

from snapshot_domain.model import Ciphertext
from snapshot_domain.ports.cipher import Cipher, CipherAnswer, CipherItem
from snapshot_domain.secret import Secret
from snapshot_openbao.sealed_body_format import SealedBody, new_key, seal
from snapshot_openbao.threads import Threads


class SealedBodyCipher:
    """Encrypts each body under a fresh key of its own, and has `wrapper` encrypt those keys.

    All keys of a call are wrapped together first; a body is touched only once its key is safe.
    """

    def __init__(self, wrapper: Cipher, threads: Threads) -> None:
        self._wrapper = wrapper
        self._threads = threads

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        """For each item, in order, its ciphertext or the fault that kept its key unwrapped."""
        keys = [new_key() for _ in items]
        wrapped = await self._wrapper.encrypt(
            [CipherItem(item.key, key) for item, key in zip(items, keys, strict=True)]
        )
        return [
            await self._seal(item, key, answer) if isinstance(answer, Ciphertext) else answer
            for item, key, answer in zip(items, keys, wrapped, strict=True)
        ]

    async def check(self) -> None:
        """Returns if keys can be wrapped; raises `Unavailable` or `Misconfigured`."""
        await self._wrapper.check()

    async def _seal(self, item: CipherItem, key: Secret, wrapped_key: Ciphertext) -> Ciphertext:
        box = await self._threads.run(partial(seal, key, item.plaintext, item.aad))
        return SealedBody(wrapped_key, box).ciphertext
