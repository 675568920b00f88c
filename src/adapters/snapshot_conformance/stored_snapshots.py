"""The contract of StoredSnapshots, for any adapter to subclass."""

from collections.abc import Sequence
from typing import Protocol

import pytest
from attrs import evolve

from snapshot_conformance.repository_world import RepositoryWorld, Story, the_stored
from snapshot_domain.errors import Misconfigured
from snapshot_domain.listening.notices import notice_of
from snapshot_domain.model import (
    BEFORE_ALL,
    EncryptedSnapshot,
    StoredPosition,
)
from snapshot_domain.ports import SnapshotNotice, StoredSnapshots

_MANY = 1_000


class StoredSnapshotsWorld(RepositoryWorld, Protocol):
    """A repository, and the adapter under test beside it."""

    @property
    def stored_snapshots(self) -> StoredSnapshots:
        """The adapter under test."""
        ...


class _Told(Story):
    """A device, and the notices that were told at once of what was stored of it."""

    def __init__(self, world: StoredSnapshotsWorld) -> None:
        super().__init__(world)
        self.port = world.stored_snapshots
        self.notices: list[SnapshotNotice] = []

    async def store(self, *batch: EncryptedSnapshot) -> None:
        """Stores them in one transaction; each must be answered `Stored`."""
        answers = await self.world.repository.store(batch)
        for snapshot, answer in zip(batch, answers, strict=True):
            self.notices.append(notice_of(snapshot, the_stored(answer)))

    async def read(self, page: int = _MANY) -> list[SnapshotNotice]:
        """What is read of the device, from the beginning to the end."""
        return [
            notice
            for notice in await _read_on(self.port, BEFORE_ALL, page)
            if notice.key.device_id == self.device
        ]


async def _read_on(
    port: StoredSnapshots, position: StoredPosition, page: int = _MANY
) -> list[SnapshotNotice]:
    found: list[SnapshotNotice] = []
    while len((read := await port.since(position, page)).notices) >= page:
        found += read.notices
        assert read.read_to == found[-1].position > position
        position = read.read_to
    return [*found, *read.notices]


def _by_position(notices: Sequence[SnapshotNotice]) -> list[SnapshotNotice]:
    """As they are read: of what was stored at once, the earlier in time comes first."""
    return sorted(notices, key=lambda notice: (notice.position, notice.key.position))


class StoredSnapshotsContract:
    """Subclass it and give it a `world`."""

    @pytest.fixture
    async def world(self) -> StoredSnapshotsWorld:
        """The adapter under test and what is around it; a subclass overrides this."""
        raise NotImplementedError("a subclass gives the world")

    @pytest.fixture
    async def told(self, world: StoredSnapshotsWorld) -> _Told:
        """A device of this test's own."""
        told = _Told(world)
        await told.begin()
        return told

    async def test_what_is_read_is_what_was_told_at_once(self, told: _Told) -> None:
        for hour, text in enumerate("ABA", 1):
            await told.store(told.snapshot(text, hour))
        assert await told.read() == told.notices

    async def test_several_of_a_device_in_one_transaction_are_each_other_s_neighbours(
        self, told: _Told
    ) -> None:
        await told.store(told.snapshot("A", 1))
        await told.store(*(told.snapshot(text, hour) for hour, text in enumerate("BCD", 2)))
        assert await told.read() == _by_position(told.notices)

    async def test_a_late_one_has_the_next_that_it_had_when_it_was_stored(
        self, told: _Told
    ) -> None:
        for text, hour in (("A", 1), ("D", 9), ("B", 3), ("C", 5)):
            await told.store(told.snapshot(text, hour))
        assert [notice.next_id is not None for notice in told.notices] == [False, False, True, True]
        assert await told.read() == told.notices

    async def test_a_copy_is_the_next_of_the_late_one_that_made_it_and_has_no_notice(
        self, told: _Told
    ) -> None:
        await told.store(told.snapshot("A", 1))
        await told.tell("A", 9)
        await told.store(told.snapshot("B", 3), told.snapshot("C", 5))
        assert len(await told.runs()) == 4
        assert len({notice.next_id for notice in told.notices[1:]}) == 1
        assert await told.read() == _by_position(told.notices)

    async def test_what_changed_nothing_has_no_notice(self, told: _Told) -> None:
        await told.store(told.snapshot("A", 1))
        await told.tell("A", 1)
        await told.tell("A", 2)
        assert await told.read() == told.notices

    async def test_the_neighbours_of_a_former_notice_do_not_change_with_what_comes_later(
        self, told: _Told
    ) -> None:
        await told.store(told.snapshot("A", 1))
        await told.store(told.snapshot("C", 5))
        before = await told.read()
        await told.store(told.snapshot("B", 3))
        assert (await told.read())[:2] == before

    @pytest.mark.parametrize("page", [1, 2, 3, 4])
    async def test_a_page_holds_whole_transactions_and_is_full_or_the_last(
        self, told: _Told, page: int
    ) -> None:
        for first in (1, 4):
            hours = range(first, first + 3)
            await told.store(*(told.snapshot(f"text{hour}", hour) for hour in hours))
        start = told.notices[0].position.before
        read = await told.port.since(start, page)
        assert len(read.notices) == (3 if page <= 3 else 6)
        assert await _read_on(told.port, start, page) == told.notices

    async def test_a_later_transaction_has_a_greater_position(self, told: _Told) -> None:
        for hour in range(1, 12):
            await told.store(told.snapshot(f"text{hour}", hour))
        assert told.notices == _by_position(told.notices)
        end = await told.port.since(told.notices[-1].position, _MANY)
        assert end.notices == []
        assert end.read_to >= told.notices[-1].position

    async def test_a_position_is_the_same_after_it_was_written_down(self, told: _Told) -> None:
        for hour, text in enumerate("AB", 1):
            await told.store(told.snapshot(text, hour))
        position = StoredPosition.parse(str(told.notices[0].position))
        assert position == told.notices[0].position
        assert (await told.port.since(position, _MANY)).notices == told.notices[1:]

    async def test_sizes_and_format_are_those_of_the_text_and_its_ciphertext(
        self, told: _Told
    ) -> None:
        snapshot = evolve(told.snapshot("A", 1), plaintext_bytes=4_321)
        await told.store(snapshot)
        [notice] = await told.read()
        assert snapshot.ciphertext is not None
        assert (notice.plaintext_bytes, notice.stored_bytes, notice.format) == (
            4_321,
            len(snapshot.ciphertext.text),
            "transit",
        )

    async def test_a_position_that_this_store_cannot_have_given_is_refused(
        self, told: _Told
    ) -> None:
        await told.store(told.snapshot("A", 1))
        ahead = told.notices[0].position.transaction + 1_000_000_000
        with pytest.raises(Misconfigured):
            await told.port.since(StoredPosition(ahead), 1)
