"""Cipher that compresses first: configurations become `si1z:vault:v<N>:…`."""

from collections.abc import Sequence
from functools import partial

from snapshot_domain.model import Ciphertext
from snapshot_domain.ports.cipher import Cipher, CipherAnswer, CipherItem
from snapshot_openbao.compression import compress_all
from snapshot_openbao.threads import Threads

PREFIX = "si1z:"


class CompressedCipher:
    """Has `inner` encrypt what is left of each text once it is compressed: a fifth or less."""

    def __init__(self, inner: Cipher, threads: Threads) -> None:
        self._inner = inner
        self._threads = threads

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        """For each item, in order, its ciphertext or the fault that kept it from one."""
        compressed = await self._threads.run(partial(_compressed, items)) if items else ()
        return [_answer(answer) for answer in await self._inner.encrypt(compressed)]

    async def check(self) -> None:
        """Returns if `inner` really encrypts; raises `Unavailable` or `Misconfigured`."""
        await self._inner.check()


def _compressed(items: Sequence[CipherItem]) -> list[CipherItem]:
    compressed = compress_all([item.plaintext for item in items])
    return [
        CipherItem(item.key, content, item.aad)
        for item, content in zip(items, compressed, strict=True)
    ]


def _answer(answer: CipherAnswer) -> CipherAnswer:
    return Ciphertext(PREFIX + answer.text) if isinstance(answer, Ciphertext) else answer
