"""What became of each published message, by a model that shares no code with the use case."""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from enum import Enum, auto
from itertools import pairwise
from typing import Self
from uuid import UUID

from attrs import field, frozen

from chaos.ledger import Ledger
from chaos.traffic import Kind, Message

Place = tuple[UUID, UUID, datetime, str]
"""Tenant, device, time and digest: each message of a device has a time of its own."""


@frozen
class StoredRow:
    """A row of the backend's, the run that it begins, and the digest of what it opens to.

    `last_seen` is None where no run begins with it, `opened_digest` where the reader could not
    open it.
    """

    device_id: UUID
    tenant_id: UUID
    collected_at: datetime
    digest: str
    opened_digest: str | None
    last_seen: datetime | None

    @property
    def is_sound(self) -> bool:
        """Whether it opens to the text that it says, and begins a run."""
        return self.opened_digest == self.digest and self.last_seen is not None

    @property
    def place(self) -> Place:
        """Where its run begins."""
        return (self.tenant_id, self.device_id, self.collected_at, self.digest)

    @property
    def end(self) -> Place:
        """Where its run ends."""
        return (self.tenant_id, self.device_id, self.last_seen or self.collected_at, self.digest)


@frozen
class KeptRow:
    """A row of the quarantine, and the digest of the body that it opens to."""

    sequence: int
    reason: str
    opened_digest: str | None


@frozen
class Evidence:
    """All that the database holds in the end.

    `astray_heads` are the devices whose head does not point at their newest run.
    """

    stored: Sequence[StoredRow]
    kept: Sequence[KeptRow]
    astray_heads: Sequence[UUID] = ()


@frozen
class Verdict:
    """How many messages came to which end, and the names of those that came to none.

    `duplicated` names rows that are there twice, `unexplained` what is stored or kept and was
    not published so, `misplaced` runs that reach beyond the next one's start, and heads that
    point elsewhere than at the newest run.
    """

    published: int = 0
    stored: int = 0
    unchanged: int = 0
    quarantined: int = 0
    lost: Sequence[str] = field(factory=list)
    duplicated: Sequence[str] = field(factory=list)
    unexplained: Sequence[str] = field(factory=list)
    misplaced: Sequence[str] = field(factory=list)


class _End(Enum):
    """What can become of a message."""

    STORED = auto()
    UNCHANGED = auto()
    QUARANTINED = auto()
    LOST = auto()


def verdict_of(ledger: Ledger, evidence: Evidence) -> Verdict:
    """Looks for each acknowledged message in what is stored and kept, and the other way round."""
    found = _Found.in_evidence(evidence)
    ends = [(message, found.end_of(message, number)) for message, number in ledger.acknowledged()]
    became = Counter(end for _, end in ends)
    return Verdict(
        published=ledger.published,
        stored=became[_End.STORED],
        unchanged=became[_End.UNCHANGED],
        quarantined=became[_End.QUARANTINED],
        lost=[message.name for message, end in ends if end is _End.LOST],
        duplicated=_duplicated(evidence),
        unexplained=_unexplained(ledger, evidence),
        misplaced=_misplaced(evidence),
    )


@frozen
class _Found:
    """Where runs of sound rows start and end, and what is kept for which reason."""

    starts: AbstractSet[Place]
    ends: AbstractSet[Place]
    kept: AbstractSet[KeptRow]

    @classmethod
    def in_evidence(cls, evidence: Evidence) -> Self:
        sound = [row for row in evidence.stored if row.is_sound]
        return cls({row.place for row in sound}, {row.end for row in sound}, set(evidence.kept))

    def end_of(self, message: Message, sequence: int) -> _End:
        if message.kind is not Kind.SNAPSHOT:
            expected = KeptRow(sequence, message.kind.value, message.body_digest)
            return _End.QUARANTINED if expected in self.kept else _End.LOST
        if place_of(message) in self.starts:
            return _End.STORED
        return _End.UNCHANGED if place_of(message) in self.ends else _End.LOST


def place_of(message: Message) -> Place:
    """Where a snapshot must be found."""
    return (message.tenant_id, message.device_id, message.collected_at, message.digest)


def _duplicated(evidence: Evidence) -> list[str]:
    places = Counter(row.place for row in evidence.stored)
    sequences = Counter(row.sequence for row in evidence.kept)
    return [
        *(_row_name(*place) for place, count in places.items() if count > 1),
        *(f"quarantined sequence {number}" for number, count in sequences.items() if count > 1),
    ]


def _unexplained(ledger: Ledger, evidence: Evidence) -> list[str]:
    tried = [entry.message for entry in ledger.entries]
    places = {place_of(message) for message in tried if message.kind is Kind.SNAPSHOT}
    bodies = {message.body_digest for message in tried if message.kind is not Kind.SNAPSHOT}
    return [
        *(
            _row_name(*row.place)
            for row in evidence.stored
            if not row.is_sound or row.place not in places
        ),
        *(
            f"quarantined sequence {row.sequence}"
            for row in evidence.kept
            if row.opened_digest not in bodies
        ),
    ]


def _misplaced(evidence: Evidence) -> list[str]:
    """A run that others begin within forgets that its text came back after them."""
    rows = sorted(evidence.stored, key=lambda row: (row.device_id, row.collected_at))
    return [
        *(
            _row_name(*row.place)
            for row, following in pairwise(rows)
            if row.device_id == following.device_id
            and (row.last_seen or row.collected_at) > following.collected_at
        ),
        *(f"head of device {device_id}" for device_id in evidence.astray_heads),
    ]


def _row_name(_: UUID, device_id: UUID, collected_at: datetime, __: str) -> str:
    return f"row of device {device_id} at {collected_at:%Y-%m-%d %H:%M}"
