"""Rotation and conversion over the adapters in memory."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from uuid import uuid4

import pytest
from attrs import define, evolve, field, frozen

from snapshot_domain.conversion import Conversion
from snapshot_domain.errors import Dependency, KeyMissing, Refused, Unavailable
from snapshot_domain.model import Ciphertext, DataKeyId, SnapshotId, WrappedKey
from snapshot_domain.ports import CipherAnswer, CipherItem, TenantKey, TextSwap
from snapshot_domain.rotation import Rotation
from snapshot_domain.secret import Secret
from snapshot_memory import (
    MemoryCipher,
    MemoryDecryptor,
    MemoryRewrapper,
    MemoryStoredTexts,
)
from support.faults import FaultyCipher
from support.memory_world import MemoryWorld
from support.messages import MORNING, tenant

ACME = tenant("acme")
IN_HAND = timedelta(minutes=20)


@define
class Ours:
    """A device's five texts, and their rotation."""

    world: MemoryWorld = field(factory=MemoryWorld)
    rotation: Rotation = field(init=False)

    def __attrs_post_init__(self) -> None:
        texts = MemoryStoredTexts(self.world.repository)
        rewrapper = MemoryRewrapper(self.world.keyring, self.world.clock)
        self.rotation = Rotation(texts, rewrapper, IN_HAND, page_texts=2)

    async def store(self) -> "Ours":
        for hour in range(5):
            self.world.publish(f"text {hour}", at=MORNING + timedelta(hours=hour))
        await self.world.ingest()
        return self

    def versions(self) -> list[int | None]:
        return [row.ciphertext.key_version for row in self.world.repository.rows.values()]

    def rotate(self) -> None:
        self.world.keyring.rotate(TenantKey(ACME))

    async def rewrap(self) -> list[int]:
        return [looked_at async for looked_at in self.rotation.rewrap(ACME)]


@pytest.fixture
async def ours() -> Ours:
    return await Ours().store()


async def test_every_text_comes_under_the_newest_version_page_by_page(ours: Ours) -> None:
    ours.rotate()
    assert await ours.rewrap() == [2, 2, 1]
    assert ours.versions() == [2] * 5
    assert ours.rotation.rewritten.replaced == 5
    assert await ours.world.texts() == [f"text {hour}" for hour in range(5)]


async def test_what_was_ended_in_the_middle_goes_on_where_it_was(ours: Ours) -> None:
    ours.rotate()
    async for _ in ours.rotation.rewrap(ACME):
        break
    assert sorted(map(str, ours.versions())) == ["1", "1", "1", "2", "2"]
    assert await ours.rewrap() == [2, 1]
    assert ours.versions() == [2] * 5


async def test_nothing_is_done_where_everything_is_under_the_newest_version(ours: Ours) -> None:
    assert await ours.rewrap() == []


async def test_a_text_that_is_refused_stays_and_costs_no_other_its_place(ours: Ours) -> None:
    ours.rotate()
    rows = ours.world.repository.rows
    odd = next(iter(rows))
    rows[odd] = evolve(rows[odd], ciphertext=Ciphertext("vault:v1:AAAA"))
    await ours.rewrap()
    assert ours.versions() == [1, 2, 2, 2, 2]
    assert (ours.rotation.rewritten.replaced, ours.rotation.rewritten.left) == (4, 1)
    assert isinstance(ours.rotation.rewritten.fault, Refused)
    assert (await ours.rotation.oldest(ACME)).version == 1


async def test_data_keys_are_rewrapped_and_what_they_sealed_stays(ours: Ours) -> None:
    (wrapped,) = await MemoryCipher(ours.world.keyring).encrypt(
        [CipherItem(TenantKey(ACME), Secret(b"a data key"))]
    )
    assert isinstance(wrapped, Ciphertext)
    key = WrappedKey(DataKeyId(uuid4()), ACME, wrapped.text)
    ours.world.repository.data_keys[key.key_id] = key
    ours.rotate()
    await ours.rewrap()
    assert ours.world.repository.data_keys[key.key_id].text.startswith("vault:v2:")
    assert (await ours.rotation.oldest(ACME)).version == 2


async def test_rows_that_others_wrote_are_counted_and_leave_nothing_certain(ours: Ours) -> None:
    rows = ours.world.repository.rows
    rows[SnapshotId(uuid4())] = next(iter(rows.values()))
    ours.rotate()
    await ours.rewrap()
    ours.world.clock.advance(2 * IN_HAND)
    oldest = await ours.rotation.oldest(ACME)
    assert (oldest.rows_of_others, oldest.is_certain) == (1, False)


async def test_without_counting_them_nothing_is_certain(ours: Ours) -> None:
    ours.world.clock.advance(2 * IN_HAND)
    await ours.rotation.oldest(ACME)
    ours.world.clock.advance(2 * IN_HAND)
    assert (await ours.rotation.oldest(ACME)).is_certain
    assert not (await ours.rotation.oldest(ACME, count_others=False)).is_certain


async def test_a_tenant_without_a_key_says_so(ours: Ours) -> None:
    ours.world.keyring.delete(TenantKey(ACME))
    with pytest.raises(KeyMissing):
        await ours.rewrap()
    with pytest.raises(KeyMissing):
        await ours.rotation.oldest(ACME)


async def test_the_oldest_version_is_certain_once_no_worker_can_hold_an_older_one(
    ours: Ours,
) -> None:
    ours.rotate()
    await ours.rewrap()
    oldest = await ours.rotation.oldest(ACME)
    assert (oldest.version, oldest.newest, oldest.is_certain) == (2, 2, False)
    assert oldest.certain_from == ours.world.clock.now() + IN_HAND
    ours.world.clock.advance(IN_HAND)
    assert not (await ours.rotation.oldest(ACME)).is_certain
    ours.world.clock.advance(timedelta(microseconds=1))
    assert (await ours.rotation.oldest(ACME)).is_certain


@frozen
class Overtaken(MemoryStoredTexts):
    """Somebody replaces every text just before it is swapped."""

    world: MemoryWorld

    async def swap(self, swaps: Sequence[TextSwap]) -> AbstractSet[SnapshotId]:
        for each in swaps:
            row = self.world.repository.rows[each.stored.snapshot_id]
            newer = Ciphertext("vault:v2:AAAA")
            self.world.repository.rows[each.stored.snapshot_id] = evolve(row, ciphertext=newer)
        return await super().swap(swaps)


async def test_a_text_that_somebody_replaced_between_look_and_swap_stays_theirs(
    ours: Ours,
) -> None:
    ours.rotate()
    repository = ours.world.repository
    ours.rotation.texts = Overtaken(repository, ours.world)
    await ours.rewrap()
    done = ours.rotation.rewritten
    assert (done.replaced, done.changed_meanwhile, done.left) == (0, 5, 0)
    assert {row.ciphertext.text for row in repository.rows.values()} == {"vault:v2:AAAA"}


@frozen
class Compressing:
    """A cipher whose texts say that they are compressed."""

    inner: MemoryCipher

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        answers = await self.inner.encrypt(items)
        return [
            Ciphertext(f"si1z:{answer.text}") if isinstance(answer, Ciphertext) else answer
            for answer in answers
        ]

    async def check(self) -> None:
        await self.inner.check()


async def test_a_conversion_opens_and_seals_each_text_again(ours: Ours) -> None:
    world = ours.world
    before = [row.ciphertext for row in world.repository.rows.values()]
    conversion = Conversion(
        ours.rotation.texts,
        MemoryDecryptor(world.keyring),
        Compressing(MemoryCipher(world.keyring)),
        "compressed",
    )
    assert [looked_at async for looked_at in conversion.convert(ACME)] == [5]
    after = [row.ciphertext for row in world.repository.rows.values()]
    assert [each.format for each in after] == ["compressed"] * 5
    assert conversion.rewritten.replaced == 5
    assert before != after


async def test_a_cipher_that_is_away_ends_a_conversion_and_changes_nothing(ours: Ours) -> None:
    world = ours.world
    before = [row.ciphertext for row in world.repository.rows.values()]
    down = Unavailable(Dependency.CIPHER, "it is down")
    cipher = FaultyCipher(MemoryCipher(world.keyring), fault_for=lambda _: down)
    texts, decryptor = ours.rotation.texts, MemoryDecryptor(world.keyring)
    with pytest.raises(Unavailable):
        async for _ in Conversion(texts, decryptor, cipher, "compressed").convert(ACME):
            pass
    assert [row.ciphertext for row in world.repository.rows.values()] == before
