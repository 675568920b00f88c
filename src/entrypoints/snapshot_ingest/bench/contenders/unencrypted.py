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
    return [
        Ciphertext(f"vault:v1:{b64encode(compress(item.plaintext).reveal()).decode('ascii')}")
        for item in items
    ]


async def run(access: Access) -> None:
    """Ingests until it is told to end."""

    def replace(container: Container) -> None:
        container.register(Cipher, CompressingOnly(Threads(4)))  # type: ignore[type-abstract]

    await ours.run(access, replace)
