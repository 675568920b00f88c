"""The contract of StoredTexts, for any adapter to subclass."""

import asyncio
from typing import Protocol
from uuid import UUID, uuid4

import pytest
from attrs import evolve

from snapshot_conformance.repository_world import RepositoryWorld, Story
from snapshot_domain.model import (
    Ciphertext,
    DataKeyId,
    EncryptedSnapshot,
    SnapshotId,
    TenantId,
    WrappedKey,
)
from snapshot_domain.ports import DataKeySwap, StoredText, StoredTexts, TextSwap
from snapshot_domain.rewriting import FIRST

_ALL = 1_000
_FIRST_KEY = DataKeyId(UUID(int=0))


class StoredTextsWorld(RepositoryWorld, Protocol):
    """A repository, and the adapter under test beside it."""

    @property
    def stored_texts(self) -> StoredTexts:
        """The adapter under test."""
        ...


class Shelf(Story):
    """One device's texts under version 1 of its tenant's key, and a look at them."""

    def __init__(self, world: StoredTextsWorld, tenant: TenantId | None = None) -> None:
        super().__init__(world, tenant)
        self.texts_port = world.stored_texts

    async def fill(self, texts: int) -> "Shelf":
        """Stores so many texts."""
        await self.begin()
        for number in range(texts):
            await self.stored(f"text{number}", number + 1)
        return self

    async def behind(self, version: int = 2, after: SnapshotId = FIRST) -> list[StoredText]:
        """What is under another version."""
        found = self.texts_port.under_other_versions(self.tenant, version, after, _ALL)
        return list(await found)

    async def enveloped(self, hour: float = 50) -> WrappedKey:
        """Stores one text under a data key, and returns that."""
        key = WrappedKey(DataKeyId(uuid4()), self.tenant, f"vault:v1:key{uuid4().hex}")
        sealed = Ciphertext(f"si1e:{key.key_id}:AAAA", key)
        snapshot = EncryptedSnapshot(self.key("enveloped", hour), sealed, 9)
        await self.world.repository.store([snapshot])
        return key


def renewed(stored: StoredText, version: int = 2) -> TextSwap:
    """A swap of the text for one under that version of its key."""
    text = stored.ciphertext.text.replace("vault:v1:", f"vault:v{version}:")
    return TextSwap(stored, Ciphertext(text))


class StoredTextsContract:
    """Subclass it and give it a `world`."""

    @pytest.fixture
    async def world(self) -> StoredTextsWorld:
        """The adapter under test and what is around it; a subclass overrides this."""
        raise NotImplementedError("a subclass gives the world")

    async def test_every_tenant_with_a_text_is_known(self, world: StoredTextsWorld) -> None:
        shelves = [await Shelf(world).fill(1) for _ in range(3)]
        assert {shelf.tenant for shelf in shelves} <= set(await world.stored_texts.tenants())

    async def test_a_tenants_texts_come_in_pages_in_the_order_of_their_ids(
        self, world: StoredTextsWorld
    ) -> None:
        shelf, other = await Shelf(world).fill(5), await Shelf(world).fill(2)
        found: list[StoredText] = []
        after = FIRST
        while page := await world.stored_texts.under_other_versions(shelf.tenant, 2, after, 2):
            assert len(page) <= 2
            after = page[-1].snapshot_id
            found += page
        assert [each.snapshot_id for each in found] == sorted(
            run.snapshot_id for run in await shelf.runs()
        )
        assert {(each.device_id, each.tenant_id) for each in found} == {
            (shelf.device, shelf.tenant)
        }
        assert len(await other.behind()) == 2

    async def test_what_is_under_the_version_already_is_left_out(
        self, world: StoredTextsWorld
    ) -> None:
        shelf = await Shelf(world).fill(3)
        assert await shelf.behind(version=1) == []

    async def test_a_text_is_swapped_and_everything_else_of_its_snapshot_stays(
        self, world: StoredTextsWorld
    ) -> None:
        shelf = await Shelf(world).fill(3)
        before = await shelf.runs()
        chosen = (await shelf.behind())[1]
        swap = renewed(chosen)
        assert await world.stored_texts.swap([swap]) == {chosen.snapshot_id}
        assert await shelf.runs() == before
        rows = {row.snapshot_id: row.ciphertext for row in await world.rows(shelf.device)}
        assert rows[chosen.snapshot_id] == swap.ciphertext.text
        assert len(await shelf.behind()) == 2

    async def test_a_text_that_changed_meanwhile_stays_as_it_is(
        self, world: StoredTextsWorld
    ) -> None:
        shelf = await Shelf(world).fill(2)
        page = await shelf.behind()
        await world.stored_texts.swap([renewed(each) for each in page])
        assert await world.stored_texts.swap([renewed(each, 9) for each in page]) == set()
        assert await world.stored_texts.versions(shelf.tenant) == {2: 2}

    async def test_a_row_that_is_gone_is_not_brought_back(self, world: StoredTextsWorld) -> None:
        shelf = await Shelf(world).fill(2)
        gone, there = await shelf.behind()
        await world.delete_row(gone.snapshot_id)
        swaps = [renewed(gone), renewed(there)]
        assert await world.stored_texts.swap(swaps) == {there.snapshot_id}
        assert len(await world.rows(shelf.device)) == 1

    async def test_many_who_swap_the_same_texts_at_once_swap_each_once(
        self, world: StoredTextsWorld
    ) -> None:
        shelves = [await Shelf(world).fill(4) for _ in range(3)]
        page = [each for shelf in shelves for each in await shelf.behind()]
        swaps = [renewed(each) for each in page]
        swapped = await asyncio.gather(
            *(world.stored_texts.swap(order) for order in (swaps, swaps[::-1], swaps))
        )
        assert sum(map(len, swapped)) == len(page)

    async def test_a_late_arrival_copies_the_text_that_is_there_now(
        self, world: StoredTextsWorld
    ) -> None:
        shelf = Shelf(world)
        await shelf.begin()
        await shelf.stored("A", 1)
        await shelf.tell("A", 5)
        await world.stored_texts.swap([renewed(each) for each in await shelf.behind()])
        await shelf.stored("B", 3)
        assert await world.stored_texts.versions(shelf.tenant) == {1: 1, 2: 2}

    async def test_formats_are_told_apart_and_follow_a_swap(self, world: StoredTextsWorld) -> None:
        shelf = await Shelf(world).fill(3)
        texts = world.stored_texts
        assert await texts.count_in_other_formats(shelf.tenant, "transit") == 0
        assert await texts.count_in_other_formats(shelf.tenant, "compressed") == 3
        page = await texts.in_other_formats(shelf.tenant, "compressed", FIRST, 2)
        assert len(page) == 2
        for each in page:
            compressed = Ciphertext(f"si1z:{each.ciphertext.text}")
            await texts.swap([TextSwap(each, compressed)])
        assert await texts.count_in_other_formats(shelf.tenant, "compressed") == 1
        assert await texts.versions(shelf.tenant) == {1: 3}

    async def test_a_text_under_a_data_key_comes_with_it(self, world: StoredTextsWorld) -> None:
        shelf = await Shelf(world).fill(1)
        key = await shelf.enveloped()
        assert await shelf.behind(version=1) == []
        (found,) = await world.stored_texts.in_other_formats(shelf.tenant, "transit", FIRST, 9)
        assert found.ciphertext.wrapped_key == key
        assert await world.stored_texts.versions(shelf.tenant) == {1: 2}

    async def test_data_keys_are_swapped_where_they_are_still_the_same(
        self, world: StoredTextsWorld
    ) -> None:
        shelf = Shelf(world)
        await shelf.begin()
        key = await shelf.enveloped()
        texts = world.stored_texts
        (found,) = await texts.data_keys(shelf.tenant, 2, _FIRST_KEY, 9)
        assert found == key
        renewed = evolve(key, text=key.text.replace("v1", "v2"))
        assert await texts.swap_data_keys([DataKeySwap(key, renewed)]) == {key.key_id}
        assert await texts.swap_data_keys([DataKeySwap(key, renewed)]) == set()
        assert await texts.data_keys(shelf.tenant, 2, _FIRST_KEY, 9) == []
        assert await texts.versions(shelf.tenant) == {2: 1}

    async def test_a_text_that_comes_under_a_data_key_brings_it_along(
        self, world: StoredTextsWorld
    ) -> None:
        shelf = await Shelf(world).fill(1)
        (found,) = await shelf.behind()
        key = WrappedKey(DataKeyId(uuid4()), shelf.tenant, "vault:v1:key")
        sealed = Ciphertext(f"si1e:{key.key_id}:AAAA", key)
        await world.stored_texts.swap([TextSwap(found, sealed)])
        assert await world.stored_texts.data_keys(shelf.tenant, 2, _FIRST_KEY, 9) == [key]

    async def test_nothing_to_swap_swaps_nothing(self, world: StoredTextsWorld) -> None:
        assert await world.stored_texts.swap([]) == set()
        assert await world.stored_texts.swap_data_keys([]) == set()

    async def test_it_says_that_it_works(self, world: StoredTextsWorld) -> None:
        await world.stored_texts.check()
