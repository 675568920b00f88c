"""The verdict on chaos finds what is lost, twice or wrong, and nothing else."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

import pytest
from attrs import evolve

from chaos.ledger import Ledger
from chaos.traffic import Kind, Message, Traffic
from chaos.verdict import Evidence, KeptRow, StoredRow, verdict_of
from snapshot_conformance.secret_canary import SecretCanary
from snapshot_domain.model import Ciphertext, Digest, EncryptedSnapshot, SnapshotKey
from snapshot_memory import MemoryDeviceDirectory, MemoryHashRepository
from support.messages import device, tenant

_NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)


def a_message(name: str, text: str, at: datetime = _NOON, kind: Kind = Kind.SNAPSHOT) -> Message:
    return Message(name, kind, device("r1"), tenant("acme"), at, text, f"body of {name}")


def a_row(message: Message, until: datetime | None = None) -> StoredRow:
    return StoredRow(
        message.device_id,
        message.tenant_id,
        message.collected_at,
        message.digest,
        message.digest,
        until or message.collected_at,
    )


def a_ledger(*messages: Message) -> Ledger:
    ledger = Ledger()
    for sequence, message in enumerate(messages, start=1):
        ledger.acknowledge(ledger.begin(message), sequence, is_repeat=False)
    return ledger


FIRST = a_message("first", "A")
SAME = a_message("same", "A", _NOON + timedelta(hours=6))
BAD = a_message("bad", "", kind=Kind.MALFORMED)
LEDGER = a_ledger(FIRST, SAME, BAD)
STORED = [a_row(FIRST, until=SAME.collected_at)]
KEPT = [KeptRow(3, "malformed", BAD.body_digest)]


def test_stored_unchanged_and_quarantined_messages_are_at_their_end() -> None:
    verdict = verdict_of(LEDGER, Evidence(STORED, KEPT))
    assert (verdict.published, verdict.stored, verdict.unchanged, verdict.quarantined) == (
        3,
        1,
        1,
        1,
    )
    assert not [*verdict.lost, *verdict.duplicated, *verdict.unexplained, *verdict.misplaced]


@pytest.mark.parametrize(
    ("stored", "kept", "lost"),
    [
        ([], KEPT, ["first", "same"]),
        ([a_row(FIRST)], KEPT, ["same"]),
        ([a_row(SAME)], KEPT, ["first"]),
        ([evolve(STORED[0], opened_digest="B")], KEPT, ["first", "same"]),
        ([evolve(STORED[0], opened_digest=None)], KEPT, ["first", "same"]),
        ([evolve(STORED[0], last_seen=None)], KEPT, ["first", "same"]),
        ([evolve(STORED[0], tenant_id=tenant("zeta"))], KEPT, ["first", "same"]),
        (STORED, [], ["bad"]),
        (STORED, [KeptRow(2, "malformed", BAD.body_digest)], ["bad"]),
        (STORED, [KeptRow(3, "orphan", BAD.body_digest)], ["bad"]),
        (STORED, [KeptRow(3, "malformed", None)], ["bad"]),
    ],
)
def test_what_is_missing_or_wrong_is_lost_by_name(
    stored: list[StoredRow], kept: list[KeptRow], lost: list[str]
) -> None:
    verdict = verdict_of(LEDGER, Evidence(stored, kept))
    assert verdict.lost == lost


def test_a_row_that_is_there_twice_is_told() -> None:
    verdict = verdict_of(LEDGER, Evidence([*STORED, *STORED], [*KEPT, *KEPT]))
    assert len(verdict.duplicated) == 2
    assert not verdict.lost


def test_a_row_that_nobody_published_is_told_and_one_that_was_only_tried_is_not() -> None:
    ledger = a_ledger(FIRST, SAME, BAD)
    tried = a_message("tried", "C", _NOON + timedelta(hours=12))
    ledger.begin(tried)
    stranger = a_row(a_message("stranger", "D", _NOON + timedelta(hours=18)))
    evidence = Evidence([*STORED, a_row(tried), stranger], [*KEPT, KeptRow(9, "orphan", "?")])
    verdict = verdict_of(ledger, evidence)
    assert len(verdict.unexplained) == 2
    assert verdict.published == 3
    assert not verdict.lost


def test_a_run_that_another_one_begins_within_is_told() -> None:
    between = a_message("between", "B", _NOON + timedelta(hours=3))
    other_device = evolve(a_row(between), device_id=device("r2"))
    apart = Evidence([*STORED, other_device], KEPT)
    assert not verdict_of(LEDGER, apart).misplaced
    within = Evidence([*STORED, a_row(between)], KEPT)
    assert len(verdict_of(LEDGER, within).misplaced) == 1


def test_a_head_that_points_elsewhere_is_told() -> None:
    verdict = verdict_of(LEDGER, Evidence(STORED, KEPT, astray_heads=[device("r1")]))
    assert verdict.misplaced == [f"head of device {device('r1')}"]


@pytest.mark.parametrize("seed", range(30))
async def test_by_the_rules_of_the_timeline_nothing_is_lost_in_any_order_of_arrival(
    seed: int,
) -> None:
    chance = Random(seed)
    traffic = Traffic(seed, 3, SecretCanary())
    found = [message for message, _ in islice(traffic.messages(), 120)]
    published = [message for message in found if message.kind is Kind.SNAPSHOT]
    ledger = a_ledger(*published)
    arrivals = list(ledger.acknowledged())
    arrivals += chance.sample(arrivals, 30)
    chance.shuffle(arrivals)
    verdict = verdict_of(ledger, Evidence(await _rows_after(arrivals), []))
    assert not [*verdict.lost, *verdict.duplicated, *verdict.unexplained, *verdict.misplaced]
    assert verdict.stored + verdict.unchanged == len(published)
    assert verdict.unchanged > 0


async def _rows_after(arrivals: Iterable[tuple[Message, int]]) -> list[StoredRow]:
    directory = MemoryDeviceDirectory()
    repository = MemoryHashRepository(directory)
    for message, sequence in arrivals:
        directory.register(message.device_id, message.tenant_id)
        await repository.store([_encrypted(message, sequence)])
    runs = {run.snapshot_id: run for timeline in repository.timelines.values() for run in timeline}
    return [
        StoredRow(
            row.device_id,
            row.tenant_id,
            row.collected_at,
            row.digest.hex,
            row.digest.hex,
            runs[snapshot_id].end[0],
        )
        for snapshot_id, row in repository.rows.items()
    ]


def _encrypted(message: Message, sequence: int) -> EncryptedSnapshot:
    key = SnapshotKey(
        message.device_id,
        message.tenant_id,
        message.collected_at,
        sequence,
        Digest(message.digest),
    )
    return EncryptedSnapshot(key=key, ciphertext=Ciphertext("vault:v1:x"), plaintext_bytes=1)
