"""The simulator's messages: the same for the same seed, and what they are said to become."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest

from snapshot_domain.model import (
    Ciphertext,
    DeviceId,
    Digest,
    EncryptedSnapshot,
    Snapshot,
    SnapshotKey,
)
from snapshot_domain.outcome import MalformedReason, Orphaned, Stored, Unchanged
from snapshot_ingest.poller import subject_of
from snapshot_ingest.simulator import (
    Expected,
    Fleet,
    Rates,
    SimulatedMessage,
    Simulation,
    start_that_ends_at,
)
from snapshot_json import JsonSnapshotDecoder
from snapshot_memory import MemoryDeviceDirectory, MemoryHashRepository

NOW = datetime(2026, 4, 2, 6, 15, 9, 500_000, tzinfo=UTC)
LIVELY = Rates(changed=0.4, reverted=0.5, late=0.3, malformed=0.1, orphaned=0.1)


def simulation(
    seed: int = 7, devices: int = 40, rounds: int = 6, rates: Rates = LIVELY
) -> Simulation:
    return Simulation(
        Fleet(seed, devices), start_that_ends_at(NOW, rounds), rounds=rounds, rates=rates
    )


def fingerprint(messages: Iterable[SimulatedMessage]) -> str:
    found = hashlib.sha256()
    for message in messages:
        found.update(f"{message.subject} {message.expected} ".encode())
        found.update(message.body.reveal())
    return found.hexdigest()


def decoded(message: SimulatedMessage) -> Snapshot:
    snapshot = JsonSnapshotDecoder().decode(message.body)
    assert isinstance(snapshot, Snapshot)
    return snapshot


def good_ones(source: Simulation) -> list[tuple[SimulatedMessage, Snapshot]]:
    return [
        (message, decoded(message))
        for message in source.messages()
        if message.expected in {Expected.STORED, Expected.UNCHANGED}
    ]


def test_the_same_seed_gives_the_same_messages() -> None:
    assert fingerprint(simulation().messages()) == fingerprint(simulation().messages())


def test_another_seed_gives_other_messages() -> None:
    one, other = simulation(seed=1), simulation(seed=2)
    assert fingerprint(one.messages()) != fingerprint(other.messages())
    assert not {d.device_id for d in one.fleet.devices()} & {
        d.device_id for d in other.fleet.devices()
    }


@pytest.mark.parametrize("hash_seed", ["0", "1", "4711"])
def test_the_hash_seed_of_a_process_changes_nothing(hash_seed: str) -> None:
    program = (
        "import hashlib, datetime\n"
        "from snapshot_ingest.simulator import Fleet, Simulation\n"
        "start = datetime.datetime(2026, 4, 2, tzinfo=datetime.timezone.utc)\n"
        "found = hashlib.sha256()\n"
        "for message in Simulation(Fleet(7, 30), start).messages():\n"
        "    found.update(message.body.reveal())\n"
        "print(found.hexdigest())\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    here = hashlib.sha256()
    for message in Simulation(Fleet(7, 30), datetime(2026, 4, 2, tzinfo=UTC)).messages():
        here.update(message.body.reveal())
    assert answer.stdout.strip() == here.hexdigest()


def test_a_message_does_not_depend_on_which_were_made_before_it() -> None:
    whole = list(simulation().messages())
    assert fingerprint(islice(simulation().messages(), 200, 210)) == fingerprint(whole[200:210])


def test_every_message_is_a_snapshot_except_the_malformed() -> None:
    seen: Counter[bool] = Counter()
    for message in simulation().messages():
        answer = JsonSnapshotDecoder().decode(message.body)
        is_malformed = message.expected is Expected.MALFORMED
        assert isinstance(answer, MalformedReason) is is_malformed
        seen[is_malformed] += 1
    assert len(seen) == 2


def test_there_are_many_ways_to_be_malformed() -> None:
    answers = {
        JsonSnapshotDecoder().decode(message.body)
        for message in simulation(rates=Rates(malformed=1.0)).messages()
        if message.expected is Expected.MALFORMED
    }
    assert answers == set(MalformedReason) - {MalformedReason.TOO_DEEP}


def test_subject_and_digest_are_those_of_the_body() -> None:
    for message, snapshot in good_ones(simulation()):
        assert message.subject == subject_of(snapshot.device_id)
        assert Digest.of(snapshot.configuration) == snapshot.digest


def test_only_orphans_are_of_an_unknown_device_or_a_foreign_tenant() -> None:
    source = simulation()
    owners = {device.device_id: device.tenant_id for device in source.fleet.devices()}
    unknown = foreign = 0
    for message in source.messages():
        if message.expected is Expected.MALFORMED:
            continue
        snapshot = decoded(message)
        is_known = snapshot.device_id in owners
        is_owners = owners.get(snapshot.device_id) == snapshot.tenant_id
        assert is_owners is (message.expected is not Expected.ORPHANED)
        unknown += not is_known
        foreign += is_known and not is_owners
    assert unknown
    assert foreign


def test_a_fleet_of_one_tenant_has_a_foreign_tenant_too() -> None:
    source = simulation(devices=1, rounds=40, rates=Rates(orphaned=1.0))
    orphans = [
        decoded(message) for message in source.messages() if message.expected is Expected.ORPHANED
    ]
    owner = source.fleet.device(0).tenant_id
    assert any(orphan.tenant_id != owner for orphan in orphans)


def test_totals_are_what_is_published() -> None:
    source = simulation()
    counts = Counter(message.expected for message in source.messages())
    totals = source.totals()
    assert totals.stored == counts[Expected.STORED]
    assert totals.unchanged == counts[Expected.UNCHANGED]
    assert totals.malformed == counts[Expected.MALFORMED]
    assert totals.orphaned == counts[Expected.ORPHANED]
    assert totals.published == sum(counts.values())
    assert totals.stored + totals.unchanged == 40 * 6
    assert min(counts.values()) > 0


@pytest.mark.parametrize("seed", range(5))
async def test_each_message_becomes_what_is_expected_when_decided_in_order(seed: int) -> None:
    source = simulation(seed=seed)
    directory = MemoryDeviceDirectory()
    for device in source.fleet.devices():
        directory.register(device.device_id, device.tenant_id)
    repository = MemoryHashRepository(directory)
    kinds = {
        Stored: Expected.STORED,
        Unchanged: Expected.UNCHANGED,
        Orphaned: Expected.ORPHANED,
    }
    for sequence, message in enumerate(source.messages(), start=1):
        if message.expected is Expected.MALFORMED:
            continue
        snapshot = decoded(message)
        assert snapshot.collected_at is not None
        key = SnapshotKey(
            snapshot.device_id,
            snapshot.tenant_id,
            snapshot.collected_at,
            sequence,
            snapshot.digest,
        )
        item = EncryptedSnapshot(key, Ciphertext("vault:v1:x"), snapshot.configuration.size_bytes)
        [answer] = await repository.store([item])
        assert kinds[type(answer)] is message.expected, (sequence, answer)


def test_late_messages_come_after_a_newer_one_of_their_device() -> None:
    newest: dict[DeviceId, datetime] = {}
    late = 0
    for _, snapshot in good_ones(simulation()):
        assert snapshot.collected_at is not None
        before = newest.get(snapshot.device_id, snapshot.collected_at)
        late += snapshot.collected_at < before
        newest[snapshot.device_id] = max(before, snapshot.collected_at)
    assert 30 < late < 100  # 40 devices, 5 rounds that can be late, 0.3 of them


def test_without_lateness_every_device_only_goes_forward() -> None:
    newest: dict[DeviceId, datetime] = {}
    for _, snapshot in good_ones(simulation(rates=Rates(late=0.0))):
        assert snapshot.collected_at is not None
        if snapshot.device_id in newest:
            assert snapshot.collected_at > newest[snapshot.device_id]
        newest[snapshot.device_id] = snapshot.collected_at


def test_rounds_are_six_hours_apart_and_end_before_now() -> None:
    moments: dict[DeviceId, list[datetime]] = {}
    for _, snapshot in good_ones(simulation(rates=Rates(late=0.0))):
        assert snapshot.collected_at is not None
        moments.setdefault(snapshot.device_id, []).append(snapshot.collected_at)
    assert len(moments) == 40
    for of_device in moments.values():
        steps = {after - before for before, after in pairwise(of_device)}
        assert steps == {timedelta(hours=6)}
        assert NOW - timedelta(minutes=31) < of_device[-1] < NOW


def test_by_default_most_are_unchanged_after_the_first_round() -> None:
    totals = simulation(devices=500, rounds=4, rates=Rates()).totals()
    assert totals.published > 2_000
    assert 500 < totals.stored < 750
    assert totals.unchanged > 1_250
    assert 5 <= totals.malformed <= 50
    assert 5 <= totals.orphaned <= 50


def test_a_device_that_goes_back_to_its_former_text_is_stored_again() -> None:
    source = simulation(rates=Rates(changed=1.0, reverted=1.0, late=0.0), devices=3)
    digests = [
        snapshot.digest
        for _, snapshot in good_ones(source)
        if snapshot.device_id == source.fleet.device(0).device_id
    ]
    assert digests[0] == digests[2] == digests[4]
    assert digests[1] == digests[3] == digests[5]
    assert digests[0] != digests[1]


def test_a_fleet_of_any_size_begins_at_once() -> None:
    huge = Simulation(Fleet(1, 100_000_000), start_that_ends_at(NOW, 4))
    assert len(list(islice(huge.messages(), 3))) == 3


def test_tenants_are_few_by_default_and_each_owns_a_device() -> None:
    for devices, tenants in ((1, 1), (3, 3), (100, 8)):
        fleet = Fleet(1, devices)
        assert fleet.tenant_count == tenants
        registered = {tenant.tenant_id for tenant in fleet.tenants()}
        assert {device.tenant_id for device in fleet.devices()} == registered
        assert len(registered) == tenants


def test_devices_and_tenants_have_names_that_fit_the_backends_tables() -> None:
    fleet = Fleet(1, 1_000, 20)
    assert len({tenant.name for tenant in fleet.tenants()}) == 20
    assert len({device.hostname for device in fleet.devices()}) == 1_000
    assert len({device.ip_address for device in fleet.devices()}) == 1_000


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_a_rate_is_a_probability(bad: float) -> None:
    with pytest.raises(ValueError, match="changed"):
        Rates(changed=bad)


def test_a_simulation_needs_a_device_and_a_round() -> None:
    with pytest.raises(ValueError, match="device_count"):
        Fleet(1, 0)
    with pytest.raises(ValueError, match="rounds"):
        Simulation(Fleet(1, 1), NOW, rounds=0)
