"""The migration of digests over the adapters in memory."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta

import pytest
from attrs import define, evolve, field, frozen

from snapshot_domain.digest_migration import DigestMigration
from snapshot_domain.errors import Dependency, Refused, Unavailable
from snapshot_domain.model import Ciphertext, DigestKeyId, SnapshotId
from snapshot_domain.outcome import Unchanged
from snapshot_domain.ports import Decryptor, DecryptorItem, DigestSwap
from snapshot_domain.ports.decryptor import DecryptorAnswer
from snapshot_memory import MemoryCipher, MemoryDecryptor, MemoryDigestRecords
from support.faults import FaultyCipher
from support.memory_world import MemoryWorld
from support.messages import MORNING, tenant

ACME = tenant("acme")
HOUR = timedelta(hours=1)


@define
class Ours:
    """A device's five texts, stored with plain digests, and their migration."""

    world: MemoryWorld = field(factory=MemoryWorld)
    migration: DigestMigration = field(init=False)

    async def store(self) -> "Ours":
        for hour in range(5):
            self.world.publish(f"text {hour}", at=MORNING + hour * HOUR)
        await self.world.ingest()
        self.migration = DigestMigration(
            MemoryDigestRecords(self.world.repository),
            await self.world.with_keyed_digests().key(),
            MemoryDecryptor(self.world.keyring),
            MemoryCipher(self.world.keyring),
            page_records=2,
        )
        return self

    async def migrate(self) -> list[int]:
        return [looked_at async for looked_at in self.migration.migrate(ACME)]

    async def plain(self) -> int:
        return await self.migration.records.count_plain(ACME)

    def bind_texts(self) -> None:
        """As if each were in a format that is bound to its digest."""
        rows = self.world.repository.rows
        for snapshot_id, row in rows.items():
            rows[snapshot_id] = evolve(row, ciphertext=Ciphertext(f"si1e:{row.ciphertext.text}"))
        self.migration.decryptor = _Bound(self.migration.decryptor)


@frozen
class _Bound:
    """Opens what `bind_texts` made, unless it is asked to with the keyed digest."""

    inner: Decryptor

    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        bare = [
            evolve(item, ciphertext=Ciphertext(item.ciphertext.text.removeprefix("si1e:")))
            for item in items
        ]
        return await self.inner.decrypt(bare)


@pytest.fixture
async def ours() -> Ours:
    return await Ours().store()


async def test_every_digest_becomes_keyed_page_by_page(ours: Ours) -> None:
    assert await ours.migrate() == [2, 2, 1]
    assert await ours.plain() == 0
    assert ours.migration.rewritten.replaced == 5
    assert await ours.world.texts() == [f"text {hour}" for hour in range(5)]


async def test_afterwards_the_same_texts_are_known_again(ours: Ours) -> None:
    await ours.migrate()
    ours.world.publish("text 4", at=MORNING + 9 * HOUR)
    assert await ours.world.ingest() == [Unchanged()]


async def test_what_was_ended_in_the_middle_goes_on_where_it_was(ours: Ours) -> None:
    async for _ in ours.migration.migrate(ACME):
        break
    assert await ours.plain() == 3
    assert await ours.migrate() == [2, 1]
    assert await ours.plain() == 0


async def test_no_text_is_opened_that_is_not_bound_to_its_digest(ours: Ours) -> None:
    ours.migration.decryptor = _NeverAsked()
    await ours.migrate()
    assert await ours.plain() == 0


async def test_a_bound_text_is_encrypted_anew_for_its_keyed_digest(ours: Ours) -> None:
    ours.bind_texts()
    cipher = FaultyCipher(MemoryCipher(ours.world.keyring))
    ours.migration.cipher = cipher
    await ours.migrate()
    assert await ours.plain() == 0
    digests = {row.digest.hex for row in ours.world.repository.rows.values()}
    assert {item.aad.rpartition("|")[2] for item in cipher.asked} == digests
    assert await ours.world.texts() == [f"text {hour}" for hour in range(5)]


async def test_a_bound_text_that_does_not_open_keeps_its_digest(ours: Ours) -> None:
    ours.bind_texts()
    ours.migration.decryptor = _Failing(Refused(Dependency.CIPHER, "not of this key"))
    await ours.migrate()
    assert (ours.migration.rewritten.left, await ours.plain()) == (5, 5)
    assert ours.migration.rewritten.fault is not None


async def test_while_nothing_opens_the_migration_ends(ours: Ours) -> None:
    ours.bind_texts()
    ours.migration.decryptor = _Failing(Unavailable(Dependency.CIPHER, "sealed"))
    with pytest.raises(Unavailable, match="sealed"):
        await ours.migrate()
    assert await ours.plain() == 5


async def test_what_somebody_else_changed_meanwhile_is_counted(ours: Ours) -> None:
    ours.migration.records = _Late(ours.world.repository)
    await ours.migrate()
    assert ours.migration.rewritten.changed_meanwhile == 5


@frozen
class _NeverAsked:
    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        assert not items, "a text was opened"
        return []


@frozen
class _Failing:
    fault: Refused | Unavailable

    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        return [self.fault] * len(items)


class _Late(MemoryDigestRecords):
    """Somebody else swaps first."""

    async def swap(
        self, key_id: DigestKeyId, swaps: Sequence[DigestSwap]
    ) -> AbstractSet[SnapshotId]:
        await super().swap(key_id, swaps)
        return await super().swap(key_id, swaps)
