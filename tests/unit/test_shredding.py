"""Shredding in memory: what a trial counts, how long a worker may go on, what must be typed."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from attrs import define, evolve, field, frozen

from snapshot_domain.errors import Dependency, Unavailable
from snapshot_domain.model import Ciphertext, DeviceId, SnapshotId, TenantId
from snapshot_domain.ports import CipherItem, DecryptorItem, TenantKey, TenantRow
from snapshot_domain.ports.decryptor import DecryptorAnswer
from snapshot_domain.secret import Configuration
from snapshot_domain.shredding import Trial
from snapshot_ingest.command_errors import UsageError
from snapshot_ingest.operator.shredding_arguments import Deed, parse_shredding
from snapshot_memory import MemoryCipher, MemoryDecryptor, MemoryKeyring

_TENANT = TenantId(UUID("c2a9d7f4-1b3e-4c66-8f20-7d5e6f708192"))
_DEVICE = DeviceId(UUID("6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"))


@define
class _Rows:
    """A page holds at most `page_rows`; those `deleted` were so after their ids were told."""

    stored: dict[SnapshotId, TenantRow] = field(factory=dict)
    deleted: set[SnapshotId] = field(factory=set)
    page_rows: int = 1_000

    async def ids(self, tenant_id: TenantId) -> Sequence[SnapshotId]:
        assert tenant_id == _TENANT
        return sorted(self.stored)

    async def rows(self, tenant_id: TenantId, wanted: Sequence[SnapshotId]) -> Sequence[TenantRow]:
        assert tenant_id == _TENANT
        there = [self.stored[each] for each in wanted if each not in self.deleted]
        return there[: self.page_rows]


@frozen
class _Down:
    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        return [Unavailable(Dependency.CIPHER, "it does not answer") for _ in items]


async def _rows_under(keyring: MemoryKeyring, count: int) -> _Rows:
    key = TenantKey(_TENANT)
    keyring.create(key)
    item = CipherItem(key, Configuration(b"text"))
    [answer] = await MemoryCipher(keyring).encrypt([item])
    assert isinstance(answer, Ciphertext)
    ids = [SnapshotId(UUID(int=n + 1)) for n in range(count)]
    return _Rows({each: TenantRow(each, _DEVICE, _TENANT, None, answer) for each in ids})


async def _walked(trial: Trial) -> int:
    return sum([looked_at async for looked_at in trial.try_all(_TENANT)])


@pytest.mark.parametrize("page_rows", [1, 7, 1_000])
async def test_a_trial_tries_every_row_whatever_fits_into_a_page(page_rows: int) -> None:
    keyring = MemoryKeyring()
    rows = await _rows_under(keyring, 450)
    rows.page_rows = page_rows
    trial = Trial(rows, MemoryDecryptor(keyring))
    assert await _walked(trial) == 450
    assert (trial.rows, trial.tried, trial.opened, trial.beyond_reach) == (450, 450, 450, 0)
    keyring.delete(TenantKey(_TENANT))
    trial = Trial(rows, MemoryDecryptor(keyring))
    await _walked(trial)
    assert (trial.rows, trial.tried, trial.opened, trial.beyond_reach) == (450, 450, 0, 450)


async def test_a_row_that_was_deleted_meanwhile_is_not_counted_as_tried() -> None:
    keyring = MemoryKeyring()
    rows = await _rows_under(keyring, 450)
    rows.deleted = {SnapshotId(UUID(int=n + 1)) for n in range(100, 350)}
    trial = Trial(rows, MemoryDecryptor(keyring))
    await _walked(trial)
    assert (trial.rows, trial.tried, trial.opened) == (450, 200, 200)


async def test_a_row_that_is_damaged_is_beyond_reach() -> None:
    keyring = MemoryKeyring()
    rows = await _rows_under(keyring, 3)
    first = SnapshotId(UUID(int=1))
    damaged = evolve(rows.stored[first], ciphertext=Ciphertext("vault:v1:AAAA"))
    rows.stored[first] = damaged
    trial = Trial(rows, MemoryDecryptor(keyring))
    await _walked(trial)
    assert (trial.opened, trial.beyond_reach) == (2, 1)


async def test_what_could_not_be_tried_ends_the_trial_and_counts_as_nothing() -> None:
    trial = Trial(await _rows_under(MemoryKeyring(), 3), _Down())
    with pytest.raises(Unavailable):
        await _walked(trial)
    assert (trial.tried, trial.opened, trial.beyond_reach) == (0, 0, 0)


async def test_a_rehearsal_counts_the_rows_and_fails_where_the_trial_would() -> None:
    keyring = MemoryKeyring()
    rows = await _rows_under(keyring, 3)
    trial = Trial(rows, MemoryDecryptor(keyring))
    assert await trial.rehearse(_TENANT) == 3
    assert (trial.rehearsed, trial.rehearsed_opened) == (3, 3)
    assert (trial.rows, trial.tried, trial.opened) == (0, 0, 0)
    keyring.delete(TenantKey(_TENANT))
    assert await trial.rehearse(_TENANT) == 3
    assert (trial.rehearsed, trial.rehearsed_opened) == (3, 0)
    assert await Trial(_Rows(), _Down()).rehearse(_TENANT) == 0
    with pytest.raises(Unavailable):
        await Trial(rows, _Down()).rehearse(_TENANT)


@pytest.mark.parametrize(
    ("typed", "is_meant"),
    [(str(_TENANT), True), (f" {_TENANT}\n", True), ("y", False), ("", False), (None, False)],
)
def test_forever_takes_the_tenants_id_from_a_person(typed: str | None, *, is_meant: bool) -> None:
    def parse() -> Deed:
        return parse_shredding(
            str(_TENANT),
            restore=False,
            forever=True,
            confirm=None,
            report=None,
            ask=lambda: typed,
        ).deed

    if is_meant:
        assert parse() is Deed.DELETE
        return
    with pytest.raises(UsageError):
        parse()


def test_a_program_that_confirms_is_asked_nothing() -> None:
    def ask() -> str:
        raise AssertionError

    work = parse_shredding(
        str(_TENANT), restore=False, forever=True, confirm=str(_TENANT), report=None, ask=ask
    )
    assert work.deed is Deed.DELETE
    work = parse_shredding(
        str(_TENANT), restore=False, forever=False, confirm=None, report=None, ask=ask
    )
    assert work.deed is Deed.FREEZE
