"""The contracts of DigestKeys and DigestRecords, and of a HashRepository between both kinds."""

import asyncio
from typing import Protocol
from uuid import uuid4

import pytest
from attrs import evolve

from snapshot_conformance.repository_world import RepositoryWorld, Story, digest_of
from snapshot_domain.digests import DigestKey
from snapshot_domain.errors import Misconfigured
from snapshot_domain.model import (
    Ciphertext,
    DataKeyId,
    Digest,
    DigestKeyId,
    EncryptedSnapshot,
    WrappedDigestKey,
    WrappedKey,
)
from snapshot_domain.outcome import AlreadyStored, Stored, Unchanged
from snapshot_domain.ports import (
    DigestKeys,
    DigestRecord,
    DigestRecords,
    DigestSwap,
    NeedsCiphertext,
    StoredTexts,
    TextSwap,
)
from snapshot_domain.rewriting import FIRST
from snapshot_domain.secret import Secret

_ALL = 1_000


class KeyedDigestsWorld(RepositoryWorld, Protocol):
    """A repository without a digest key, and the adapters under test beside it."""

    @property
    def digest_keys(self) -> DigestKeys:
        """An adapter under test."""
        ...

    async def lose_digest_key(self) -> None:
        """Takes the kept key away behind the adapters' back, as a bad restore does."""
        ...

    @property
    def digest_records(self) -> DigestRecords:
        """An adapter under test."""
        ...

    @property
    def stored_texts(self) -> StoredTexts:
        """What else may replace a text."""
        ...


class Ledger(Story):
    """One device, told of with plain digests and with keyed ones."""

    def __init__(self, world: KeyedDigestsWorld) -> None:
        super().__init__(world)
        self._world = world
        self.digest_key = DigestKey(DigestKeyId(uuid4()), Secret(bytes(32)))

    async def keep_key(self) -> None:
        """From now on digests are keyed."""
        await self._world.digest_keys.keep(WrappedDigestKey(self.digest_key.key_id, "vault:v1:k"))

    def keyed(self, snapshot: EncryptedSnapshot) -> EncryptedSnapshot:
        """The same snapshot, known by its keyed digest."""
        return evolve(snapshot, key=self.digest_key.keyed(snapshot.key))

    async def tell_keyed(self, text: str, hour: float) -> object:
        """Stores one message with a keyed digest; returns the answer."""
        [answer] = await self.world.repository.store([self.keyed(self.snapshot(text, hour))])
        return answer

    async def store_enveloped(self, hour: float) -> None:
        """Stores a text, with its plain digest, that is bound to it."""
        key = WrappedKey(DataKeyId(uuid4()), self.tenant, f"vault:v1:key{uuid4().hex}")
        sealed = Ciphertext(f"si1e:{key.key_id}:AAAA", key)
        snapshot = EncryptedSnapshot(self.key("enveloped", hour), sealed, 9)
        await self.world.repository.store([snapshot])

    async def plain(self) -> list[DigestRecord]:
        """The plain digests of this story's tenant."""
        return list(await self._world.digest_records.plain(self.tenant, FIRST, _ALL))

    def swap_of(self, record: DigestRecord, ciphertext: Ciphertext | None = None) -> DigestSwap:
        """The keyed digest for it, and the ciphertext that is bound to that."""
        return DigestSwap(record, self.digest_key.of(self.tenant, record.digest), ciphertext)

    async def swap(self, *swaps: DigestSwap) -> set[object]:
        """Those that were swapped, with the key that is kept."""
        await self.keep_key()
        return set(await self._world.digest_records.swap(self.digest_key.key_id, swaps))

    def keyed_digest(self, text: str) -> Digest:
        """What the text is known by with the key."""
        return self.digest_key.of(self.tenant, digest_of(text))

    async def digests(self) -> set[str]:
        """Every digest that is kept of this device, beside runs and rows."""
        runs = {run.digest for run in await self.world.runs(self.device)}
        return runs | {row.digest for row in await self.world.rows(self.device)}


class KeyedDigestsContract:
    """Subclass it and give it a `world` that has no digest key yet."""

    @pytest.fixture
    async def world(self) -> KeyedDigestsWorld:
        """The adapters under test and what is around them; a subclass overrides this."""
        raise NotImplementedError("a subclass gives the world")

    @pytest.fixture
    async def ledger(self, world: KeyedDigestsWorld) -> Ledger:
        """A registered device."""
        ledger = Ledger(world)
        await ledger.begin()
        return ledger

    async def test_the_first_digest_key_is_kept_for_ever(self, world: KeyedDigestsWorld) -> None:
        keys = world.digest_keys
        assert await keys.kept() is None
        first, second = (WrappedDigestKey(DigestKeyId(uuid4()), f"vault:v1:{n}") for n in "ab")
        assert await keys.keep(first) == first
        assert await keys.keep(second) == first
        assert await keys.kept() == first

    async def test_of_several_who_make_a_key_at_once_all_have_the_same(
        self, world: KeyedDigestsWorld
    ) -> None:
        keys = [WrappedDigestKey(DigestKeyId(uuid4()), f"vault:v1:{n}") for n in range(5)]
        kept = await asyncio.gather(*(world.digest_keys.keep(key) for key in keys))
        assert len(set(kept)) == 1

    async def test_where_the_key_of_keyed_digests_is_gone_no_other_is_kept(
        self, world: KeyedDigestsWorld, ledger: Ledger
    ) -> None:
        await ledger.keep_key()
        await ledger.tell_keyed("A", 1)
        await world.lose_digest_key()
        with pytest.raises(Misconfigured):
            await ledger.keep_key()
        assert await world.digest_keys.kept() is None

    async def test_beside_a_key_no_plain_digest_is_stored(self, ledger: Ledger) -> None:
        await ledger.keep_key()
        with pytest.raises(Misconfigured):
            await ledger.tell("A", 1)
        assert await ledger.runs() == []

    async def test_a_keyed_digest_is_all_that_is_kept_of_a_text(self, ledger: Ledger) -> None:
        await ledger.keep_key()
        assert isinstance(await ledger.tell_keyed("A", 1), Stored)
        assert await ledger.tell_keyed("A", 2) == Unchanged()
        assert await ledger.tell_keyed("A", 1) == AlreadyStored()
        assert await ledger.digests() == {ledger.keyed_digest("A").hex}
        assert await ledger.plain() == []

    async def test_a_run_that_is_still_plain_is_known_by_the_same_text(
        self, ledger: Ledger
    ) -> None:
        await ledger.stored("A", 1)
        await ledger.keep_key()
        keyed = ledger.keyed(ledger.snapshot("A", 5, encrypted=False))
        assert list(await ledger.world.repository.unchanged([keyed.key])) == [True]
        assert await ledger.tell_keyed("A", 1) == AlreadyStored()
        assert list(await ledger.world.repository.store([keyed])) == [Unchanged()]
        [run] = await ledger.runs()
        assert (run.digest, run.end) == (digest_of("A").hex, ledger.at(5))

    async def test_an_earlier_run_that_is_still_plain_is_known_too(self, ledger: Ledger) -> None:
        await ledger.stored("A", 1)
        await ledger.stored("B", 8)
        await ledger.keep_key()
        keyed = ledger.keyed(ledger.snapshot("A", 5, encrypted=False))
        assert list(await ledger.world.repository.unchanged([keyed.key])) == [True]
        assert list(await ledger.world.repository.store([keyed])) == [Unchanged()]

    async def test_another_text_is_another_whatever_the_kind(self, ledger: Ledger) -> None:
        await ledger.stored("A", 1)
        await ledger.keep_key()
        keyed = ledger.keyed(ledger.snapshot("B", 5, encrypted=False))
        assert list(await ledger.world.repository.unchanged([keyed.key])) == [False]
        assert list(await ledger.world.repository.store([keyed])) == [NeedsCiphertext()]

    async def test_a_plain_run_that_is_split_comes_back_plain_and_is_known(
        self, ledger: Ledger
    ) -> None:
        await ledger.stored("A", 1)
        await ledger.tell("A", 9)
        await ledger.keep_key()
        assert isinstance(await ledger.tell_keyed("B", 5), Stored)
        assert len(await ledger.plain()) == 2
        assert await ledger.tell_keyed("A", 10) == Unchanged()

    async def test_a_keyed_run_that_is_split_comes_back_keyed(self, ledger: Ledger) -> None:
        await ledger.keep_key()
        await ledger.tell_keyed("A", 1)
        await ledger.tell_keyed("A", 9)
        await ledger.tell_keyed("B", 5)
        assert await ledger.plain() == []
        assert await ledger.digests() == {ledger.keyed_digest(text).hex for text in "AB"}

    async def test_plain_digests_come_in_pages_in_the_order_of_their_ids(
        self, world: KeyedDigestsWorld, ledger: Ledger
    ) -> None:
        for hour in range(5):
            await ledger.stored(f"text{hour}", hour)
        records, after, found = world.digest_records, FIRST, list[DigestRecord]()
        while page := await records.plain(ledger.tenant, after, 2):
            assert len(page) <= 2
            after = page[-1].snapshot_id
            found += page
        runs = await ledger.runs()
        assert [each.snapshot_id for each in found] == sorted(run.snapshot_id for run in runs)
        assert {each.digest.hex for each in found} == {run.digest for run in runs}
        assert all(each.ciphertext is None for each in found)
        assert await records.count_plain(ledger.tenant) == 5
        assert ledger.tenant in await records.tenants()

    async def test_a_swap_replaces_the_digest_everywhere_and_nothing_else(
        self, ledger: Ledger
    ) -> None:
        await ledger.stored("A", 1)
        await ledger.stored("B", 2)
        before = {row.snapshot_id: row.ciphertext for row in await ledger.world.rows(ledger.device)}
        await ledger.keep_key()
        page = await ledger.plain()
        assert await ledger.swap(*map(ledger.swap_of, page)) == set(before)
        assert await ledger.digests() == {ledger.keyed_digest(text).hex for text in "AB"}
        assert await ledger.plain() == []
        rows = await ledger.world.rows(ledger.device)
        assert {row.snapshot_id: row.ciphertext for row in rows} == before
        assert await ledger.tell_keyed("B", 2) == AlreadyStored()
        assert await ledger.tell_keyed("B", 9) == Unchanged()
        assert await ledger.tell_keyed("A", 1.5) == Unchanged()

    async def test_a_digest_is_swapped_once_however_many_try(self, ledger: Ledger) -> None:
        for hour in range(4):
            await ledger.stored(f"text{hour}", hour)
        swaps = [ledger.swap_of(each) for each in await ledger.plain()]
        swapped = await asyncio.gather(
            *(ledger.swap(*order) for order in (swaps, swaps[::-1], swaps))
        )
        assert sum(map(len, swapped)) == 4

    async def test_a_run_whose_row_is_gone_loses_its_plain_digest_too(self, ledger: Ledger) -> None:
        gone = await ledger.stored("A", 1)
        await ledger.store_enveloped(2)
        await ledger.stored("B", 3)
        await ledger.world.delete_row(gone.snapshot_id)
        for run in await ledger.world.runs(ledger.device):
            if run.start == ledger.at(2):
                await ledger.world.delete_row(run.snapshot_id)
        swaps = [ledger.swap_of(each) for each in await ledger.plain()]
        assert len(await ledger.swap(*swaps)) == 3
        assert await ledger.plain() == []

    async def test_a_text_that_is_bound_to_its_digest_comes_with_its_key_and_goes_along(
        self, ledger: Ledger
    ) -> None:
        await ledger.store_enveloped(1)
        [record] = await ledger.plain()
        assert record.ciphertext is not None
        assert record.ciphertext.wrapped_key is not None
        renewed = evolve(record.ciphertext, text=f"{record.ciphertext.text}BBBB")
        assert await ledger.swap(ledger.swap_of(record, renewed)) == {record.snapshot_id}
        [row] = await ledger.world.rows(ledger.device)
        assert row.ciphertext == renewed.text
        assert row.digest == ledger.keyed_digest("enveloped").hex

    async def test_nothing_is_swapped_with_a_key_that_is_not_the_kept_one(
        self, world: KeyedDigestsWorld, ledger: Ledger
    ) -> None:
        await ledger.stored("A", 1)
        await ledger.keep_key()
        swaps = [ledger.swap_of(each) for each in await ledger.plain()]
        with pytest.raises(Misconfigured):
            await world.digest_records.swap(DigestKeyId(uuid4()), swaps)
        assert len(await ledger.plain()) == 1

    async def test_with_another_key_than_the_kept_one_nothing_is_stored(
        self, world: KeyedDigestsWorld, ledger: Ledger
    ) -> None:
        await ledger.keep_key()
        await ledger.tell_keyed("A", 1)
        ledger.digest_key = DigestKey(DigestKeyId(uuid4()), Secret(bytes(32)))
        with pytest.raises(Misconfigured):
            await ledger.tell_keyed("A", 2)
        await world.lose_digest_key()
        with pytest.raises(Misconfigured):
            await ledger.tell_keyed("A", 3)
        with pytest.raises(Misconfigured):
            await ledger.tell("A", 4)
        assert len(await world.runs(ledger.device)) == 1

    async def test_without_a_new_text_a_bound_one_keeps_its_digest(self, ledger: Ledger) -> None:
        await ledger.store_enveloped(1)
        [record] = await ledger.plain()
        assert await ledger.swap(ledger.swap_of(evolve(record, ciphertext=None))) == set()
        assert len(await ledger.plain()) == 1

    async def test_a_bound_text_that_changed_meanwhile_keeps_its_digest(
        self, world: KeyedDigestsWorld, ledger: Ledger
    ) -> None:
        await ledger.store_enveloped(1)
        [record] = await ledger.plain()
        assert record.ciphertext is not None
        [stored] = await world.stored_texts.in_other_formats(ledger.tenant, "transit", FIRST, 9)
        other = evolve(record.ciphertext, text=f"{record.ciphertext.text}CCCC")
        await world.stored_texts.swap([TextSwap(stored, other)])
        renewed = evolve(record.ciphertext, text=f"{record.ciphertext.text}BBBB")
        assert await ledger.swap(ledger.swap_of(record, renewed)) == set()
        assert len(await ledger.plain()) == 1

    async def test_a_text_is_not_swapped_for_one_that_is_bound_to_its_former_digest(
        self, world: KeyedDigestsWorld, ledger: Ledger
    ) -> None:
        await ledger.stored("A", 1)
        [stored] = await world.stored_texts.in_other_formats(ledger.tenant, "envelope", FIRST, 9)
        await ledger.swap(*map(ledger.swap_of, await ledger.plain()))
        bound = TextSwap(stored, Ciphertext(f"si1e:{uuid4()}:AAAA"))
        assert await world.stored_texts.swap([bound]) == set()
