"""Digests that are plain at first, and in some stories keyed from some moment on."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from random import Random
from uuid import UUID

from attrs import define, field

from simulation.loop import LoopClock
from snapshot_domain.digest_migration import DigestMigration
from snapshot_domain.digests import DigestKey, PlainDigests
from snapshot_domain.model import (
    Digest,
    DigestKeyId,
    SnapshotId,
    TenantId,
    WrappedDigestKey,
)
from snapshot_domain.ports import DigestSwap
from snapshot_domain.secret import Secret
from snapshot_memory import (
    MemoryCipher,
    MemoryDecryptor,
    MemoryDigestKeys,
    MemoryDigestRecords,
    MemoryHashRepository,
    MemoryKeyring,
)


@define(eq=False)
class TurningDigests:
    """What every worker asks: as if each got the new setting in the moment of the turn.

    What is in hand then still has plain digests.
    """

    repository: MemoryHashRepository
    is_keyed: bool = False
    _key: DigestKey = field(factory=lambda: DigestKey(DigestKeyId(UUID(int=1)), Secret(bytes(32))))
    _plain_by_keyed: dict[str, str] = field(factory=dict)

    def turn(self) -> None:
        """Keeps a digest key; from now on digests are keyed."""
        self.repository.digest_key = WrappedDigestKey(self._key.key_id, "vault:v1:AAAA")
        self.is_keyed = True

    async def key(self) -> DigestKey | None:
        """See Digests."""
        return self._key if self.is_keyed else None

    async def check(self) -> None:
        """See Digests."""
        if not self.is_keyed:
            await PlainDigests(MemoryDigestKeys(self.repository)).check()

    def expect(self, tenant_id: TenantId, plain_hex: str) -> None:
        """A message with this digest is on its way."""
        keyed = self._key.of(tenant_id, Digest(plain_hex))
        self._plain_by_keyed[keyed.hex] = plain_hex

    def plain_hex(self, digest: Digest) -> str:
        """The plain digest that a stored one, of either kind, was made of."""
        return self._plain_by_keyed.get(digest.hex, digest.hex)

    async def migrate(self, keyring: MemoryKeyring, clock: LoopClock, chance: Random) -> None:
        """As an operator does it, beside whatever runs."""
        records = _SlowRecords(self.repository, clock, chance)
        migration = DigestMigration(
            records, self._key, MemoryDecryptor(keyring), MemoryCipher(keyring), page_records=2
        )
        for tenant_id in await records.tenants():
            async for _ in migration.migrate(tenant_id):
                await clock.sleep(chance.random())


@define(eq=False)
class _SlowRecords(MemoryDigestRecords):
    """Others go on between the look and the swap."""

    _clock: LoopClock
    _chance: Random

    async def swap(
        self, key_id: DigestKeyId, swaps: Sequence[DigestSwap]
    ) -> AbstractSet[SnapshotId]:
        await self._clock.sleep(self._chance.random())
        return await super().swap(key_id, swaps)
