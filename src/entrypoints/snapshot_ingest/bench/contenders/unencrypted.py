"""Ingestion with a cipher that encrypts nothing: for made-up texts alone."""

from base64 import b64encode
from collections.abc import Sequence
from functools import partial

from snapshot_domain.model import Ciphertext
from snapshot_domain.ports import Cipher, CipherAnswer, CipherItem
from snapshot_ingest.bench.contenders import ours
from snapshot_ingest.bench.contenders.access import Access
from snapshot_ingest.composition import Container
from snapshot_openbao.compression import compress
from snapshot_openbao.threads import Threads

_PREFIX = b"vault:v1:"
_THREADS = 4


class CompressingOnly:
    """Compresses and encodes as `envelope` does, and leaves out the encryption."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        """For each item, in order, its text in the form of the format `transit`."""
        return await self._threads.run(partial(_encoded, items))

    async def check(self) -> None:
        """It is always ready."""


def _encoded(items: Sequence[CipherItem]) -> list[CipherAnswer]:
    bodies = [b64encode(compress(item.plaintext).reveal()) for item in items]
    return [Ciphertext((_PREFIX + body).decode("ascii")) for body in bodies]


async def run(access: Access) -> None:
    """Ingests until it is told to end."""

    def replace(container: Container) -> None:
        container.register(Cipher, CompressingOnly(Threads(_THREADS)))  # type: ignore[type-abstract]

    await ours.run(access, replace)
