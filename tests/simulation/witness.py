"""What is seen at the ports while a simulation runs, and what must hold in the very moment."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum

from attrs import define, field

from simulation.fleet import KEYLESS, Message, Position
from snapshot_domain.delivery import Ack, Delivery, Discard, Retry, Settlement
from snapshot_domain.model import (
    DeviceId,
    Digest,
    EncryptedSnapshot,
    SnapshotId,
    SnapshotKey,
    TenantId,
)
from snapshot_domain.outcome import AlreadyStored, Stored, Unchanged
from snapshot_domain.ports import CipherItem, NeedsCiphertext, QuarantineId, StoreAnswer
from snapshot_memory import MemoryQuarantine, Run, StoredRow

PROBE_TEXT = b"snapshot-ingest"
"""What is encrypted to see whether a tenant's key is there."""

_A_GOOD_WHILE_SECONDS = 200.0


PERSON = 1_000
"""The number of whoever replays what is in the quarantine: no worker has it."""


class Sighting(StrEnum):
    """Something rare that a simulation must really come to, or it proves nothing of it."""

    OVERLAP = "two stores of one device overlapped"
    CRASH = "a worker was killed"
    CRASH_AFTER_COMMIT = "a crash fell between commit and ack"
    LOST_ANSWER = "the answer of a commit was lost"
    REDELIVERY = "a stored message was delivered again"
    STALE_HINT = "a hint went stale"
    SPLIT = "a late arrival split a run"
    RETENTION = "a row was deleted by foreign retention"
    APPEARED = "an orphan's device appeared"
    RELEASED = "what had waited was stored without a person"
    GRACE_ENDED = "an orphan's grace ended"
    FROM_FLOOR = "a deleted consumer was made again after its ack floor"
    FROM_START = "a deleted consumer was made again from the stream's start"
    KEYED = "digests became keyed while workers ran"
    STREAM_AGAIN = "a stream was deleted and made again"
    REPLAYED = "a person's replay stored something"
    MOVE = "a device moved to another tenant"
    PAUSE = "intake paused"
    GIVEN_BACK = "a stop gave something back"
    EXTENDED = "a long batch asked for more time"


@define
class Published:
    """A message, and where and when the stream took it."""

    message: Message
    at_seconds: float
    position: Position


@define
class Witness:
    """Looks only at what passes the ports, and keeps no timeline of its own.

    `owners` says since when a device had which owner, `owned` all pairs of tenant and device
    that there ever were; `commits` says in which transactions a message was accepted, `released`
    what was stored out of the quarantine, `gone` what went with its stream, unsettled.
    """

    rows: Mapping[SnapshotId, StoredRow]
    quarantine: MemoryQuarantine
    discards_by_policy: bool
    plain_hex: Callable[[Digest], str]
    published: dict[int, Published] = field(factory=dict)
    owners: dict[str, list[tuple[float, str]]] = field(factory=dict)
    keyless_has_key: bool = False
    handed_to: dict[object, int] = field(factory=dict)
    settled: Counter[object] = field(factory=Counter)
    settlements: dict[int, Settlement] = field(factory=dict)
    owned: set[str] = field(factory=set)
    commits: dict[int, list[int]] = field(factory=dict)
    released: set[int] = field(factory=set)
    gone: set[int] = field(factory=set)
    killed: set[int] = field(factory=set)
    deleted: set[tuple[DeviceId, TenantId, str]] = field(factory=set)
    sightings: set[Sighting] = field(factory=set)
    violations: list[str] = field(factory=list)
    trace: list[str] = field(factory=list)
    _storing: dict[int, tuple[int, frozenset[DeviceId]]] = field(factory=dict)
    _stores: int = 0
    _transactions: int = 0
    _unsettled_commits: dict[int, set[int]] = field(factory=dict)

    def expect(self, holds: bool, rule: str) -> None:  # noqa: FBT001 - it reads as an assertion
        """Notes the rule as broken if it does not hold."""
        if not holds:
            self.violations.append(rule)

    def handed(self, worker: int, deliveries: Sequence[Delivery]) -> None:
        """The worker has these in hand."""
        for each in deliveries:
            self.handed_to[each.receipt] = worker

    def begins_to_store(self, worker: int, devices: frozenset[DeviceId]) -> int:
        """A store of these devices is under way; returns its number."""
        if any(devices & others for _, others in self._storing.values()):
            self.sightings.add(Sighting.OVERLAP)
        self._stores += 1
        self._storing[self._stores] = worker, devices
        return self._stores

    def ends_to_store(self, store: int) -> None:
        """It is over, well or not."""
        self._storing.pop(store, None)

    def committed(
        self, worker: int, batch: Sequence[EncryptedSnapshot], answers: Sequence[StoreAnswer]
    ) -> None:
        """What is answered must be true in the moment of the commit."""
        self._transactions += 1
        for snapshot, answer in zip(batch, answers, strict=True):
            key = snapshot.key
            match answer:
                case Stored(snapshot_id):
                    self.expect(snapshot_id in self.rows, f"{key.sequence} is stored, with a row")
                case Unchanged():
                    self.expect(self._has_row(key), f"{key.sequence} is unchanged: it has a row")
                case AlreadyStored():
                    self.sightings.add(Sighting.REDELIVERY)
                case NeedsCiphertext():
                    self.sightings.add(Sighting.STALE_HINT)
            if isinstance(answer, Stored | Unchanged | AlreadyStored):
                self.expect(self._is_owned_now(key.sequence), f"{key.sequence} has its owner")
                self.commits.setdefault(key.sequence, []).append(self._transactions)
                self._unsettled_commits.setdefault(worker, set()).add(key.sequence)

    def _has_row(self, key: SnapshotKey) -> bool:
        return any(
            (row.device_id, row.tenant_id) == (key.device_id, key.tenant_id)
            and key.is_known_by(row.digest)
            for row in self.rows.values()
        )

    def text_of(self, stored: Run | StoredRow) -> tuple[TenantId, str]:
        """Whose text it is, and its plain digest."""
        return stored.tenant_id, self.plain_hex(stored.digest)

    def _is_owned_now(self, sequence: int) -> bool:
        message = self.published[sequence].message
        history = self.owners.get(message.device or "", [])
        return bool(history) and history[-1][1] == message.owner

    def encrypts(self, items: Sequence[CipherItem]) -> None:
        """An unknown device's or a foreign tenant's configuration never gets this far."""
        for item in items:
            if item.plaintext.reveal() == PROBE_TEXT:
                continue
            named = item.aad.rpartition("|")[0]
            self.expect(named in self.owned, "what is encrypted is for a tenant that owned it")

    def asks_to_settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        """Nothing is acknowledged before its commit, nor discarded before it is kept."""
        kept = {each.origin.sequence for each in self.quarantine.entries.values()} | self.released
        for delivery, settlement in settlements:
            sequence = delivery.origin.sequence
            self.settled[delivery.receipt] += 1
            match settlement:
                case Ack():
                    self.expect(sequence in self.commits, f"{sequence} is acked after its commit")
                case Discard():
                    allowed = sequence in kept or self.may_be_forgotten(sequence)
                    self.expect(allowed, f"{sequence} is discarded after it was kept")

    def settles(self, worker: int, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        """The stream has taken notice: its first word on a message is the last."""
        for delivery, settlement in settlements:
            sequence = delivery.origin.sequence
            self._unsettled_commits.get(worker, set()).discard(sequence)
            if not isinstance(settlement, Retry):
                self.settlements.setdefault(sequence, settlement)

    def releases(self, worker: int, entry_ids: Sequence[QuarantineId]) -> None:
        """What waited was noted as ingested: it must have been committed before."""
        for entry in self.quarantine.entries.values():
            if entry.entry_id in entry_ids:
                sequence = entry.origin.sequence
                self.expect(sequence in self.commits, f"{sequence} is released after its commit")
                self._unsettled_commits.get(worker, set()).discard(sequence)
                self.released.add(sequence)
                self.sightings.add(Sighting.REPLAYED if worker == PERSON else Sighting.RELEASED)

    def ends_waiting(self, entry_ids: AbstractSet[QuarantineId], at_seconds: float) -> None:
        """Nobody gives an orphan up whose device had been there for a good while."""
        for entry in self.quarantine.entries.values():
            if entry.entry_id in entry_ids:
                sequence = entry.origin.sequence
                message = self.published[sequence].message
                owners = self._owners_since(
                    message.device or "", at_seconds - _A_GOOD_WHILE_SECONDS
                )
                self.expect(owners != {message.owner}, f"{sequence} is released, not given up")
                self.sightings.add(Sighting.GRACE_ENDED)

    def dies(self, worker: int) -> None:
        """The worker was killed."""
        self.killed.add(worker)
        self.sightings.add(Sighting.CRASH)
        for store in [store for store, (owner, _) in self._storing.items() if owner == worker]:
            self.ends_to_store(store)
        if self._unsettled_commits.get(worker):
            self.sightings.add(Sighting.CRASH_AFTER_COMMIT)

    def may_be_stored(self, sequence: int) -> bool:
        """Whether it was lawful at any time since it was published."""
        published = self.published[sequence]
        message = published.message
        if message.device is None or message.is_refused:
            return False
        if message.owner == KEYLESS and not self.keyless_has_key:
            return False
        return message.owner in self._owners_since(message.device, published.at_seconds)

    def may_be_rejected(self, sequence: int) -> bool:
        """Whether there was a time since it was published at which it was no lawful snapshot."""
        message = self.published[sequence].message
        return message.owner == KEYLESS or self._was_unlawful(sequence)

    def may_be_forgotten(self, sequence: int) -> bool:
        """Whether policy allows to discard it; never for the want of a key alone."""
        return self.discards_by_policy and self._was_unlawful(sequence)

    def _was_unlawful(self, sequence: int) -> bool:
        """Whether it is no snapshot, is refused, or its device was not its tenant's for a time."""
        published = self.published[sequence]
        message = published.message
        if message.device is None or message.is_refused:
            return True
        return self._owners_since(message.device, published.at_seconds) != {message.owner}

    def _owners_since(self, name: str, seconds: float) -> set[str]:
        """The device's owners from then on; an empty name where it had none."""
        owners = {""}
        for at_seconds, owner in self.owners.get(name, []):
            if at_seconds <= seconds:
                owners.clear()
            owners.add(owner)
        return owners

    def forget_rows(self, gone: Sequence[StoredRow]) -> None:
        """Foreign retention deleted these."""
        self.sightings.add(Sighting.RETENTION)
        self.deleted.update((row.device_id, *self.text_of(row)) for row in gone)

    def is_tampered(self, device_id: DeviceId) -> bool:
        """Whether a row of the device was ever deleted behind our back."""
        return any(device_id == tampered for tampered, _, _ in self.deleted)
