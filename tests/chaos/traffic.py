"""The messages that are published: snapshots of a fleet, changed, unchanged, late and spoiled.

No text comes more than twice in a device's timeline. So whatever the order in which messages are
ingested, each one stays visible: as the start of a run, or as the end of the run that the other
one of the same text began.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random

from attrs import define, field, frozen

from snapshot_conformance.secret_canary import SecretCanary
from snapshot_domain.model import DeviceId, TenantId
from snapshot_domain.secret import RawMessage
from snapshot_ingest.poller import PolledFile, PolledText, message_of
from snapshot_ingest.simulator import Fleet
from snapshot_ingest.simulator.malformed import spoiled
from snapshot_ingest.simulator.routeros import export_of

TENANTS = 3

_START = datetime(2024, 1, 1, tzinfo=UTC)
_POLL_INTERVAL = timedelta(hours=1)
_BUSY_DEVICES = 20
_BUSY_POLLS = 6
_TEXT_BYTES = (1_500, 3_500)

_REPEATED, _RETURNED, _LATE, _MALFORMED, _ORPHANED = 0.35, 0.12, 0.04, 0.02, 0.02


class Kind(StrEnum):
    """What a message is."""

    SNAPSHOT = "snapshot"
    MALFORMED = "malformed"
    ORPHAN = "orphan"


@frozen
class Message:
    """All that the verdict needs to know of a message, and none of its content.

    `name` is what a person is told of it. `collected_at` is its own in its device's timeline.
    `digest` is the SHA-256 of the text, `body_digest` that of the body.
    """

    name: str
    kind: Kind
    device_id: DeviceId
    tenant_id: TenantId
    collected_at: datetime
    digest: str
    body_digest: str


Posting = tuple[Message, RawMessage]
"""A message and the body that goes on the stream."""


@define
class _Device:
    """Where a device's history stands; every text of it begins with `head`."""

    number: int
    head: bytes
    polls: int = 0
    version: int = 0
    newest_version: int = 0
    before: int | None = None
    uses: dict[int, int] = field(factory=dict)
    held_back: Posting | None = None


class Traffic:
    """An endless stream of messages: the same for the same seed and canary."""

    def __init__(self, seed: int, devices: int, canary: SecretCanary) -> None:
        self.fleet = Fleet(seed, devices, TENANTS)
        self._canary = canary
        self._chance = Random(f"{seed} traffic")
        self._devices = [_Device(number, _head(seed, number)) for number in range(devices)]

    def messages(self) -> Iterator[Posting]:
        """Round after round in a drawn order; of a few devices, several messages are in one."""
        busy = self._devices[:_BUSY_DEVICES]
        of_a_round = self._devices + busy * (_BUSY_POLLS - 1)
        while True:
            for device in self._chance.sample(of_a_round, len(of_a_round)):
                yield from self._poll(device)

    def _poll(self, device: _Device) -> Iterator[Posting]:
        device.polls += 1
        self._move_on(device)
        posting = self._posting(device, Kind.SNAPSHOT)
        held_back, device.held_back = device.held_back, None
        if held_back is None and self._chance.random() < _LATE:
            device.held_back = posting
        else:
            yield posting
        if held_back is not None:
            yield held_back
        if self._chance.random() < _MALFORMED:
            yield self._posting(device, Kind.MALFORMED)
        if self._chance.random() < _ORPHANED:
            yield self._posting(device, Kind.ORPHAN)

    def _move_on(self, device: _Device) -> None:
        """The next text: the same once more, the one before, or a new one."""
        draw, before = self._chance.random(), device.before
        may_return = before is not None and device.uses[before] == 1
        if draw < _REPEATED and device.uses.get(device.version) == 1:
            device.uses[device.version] += 1
            return
        if draw < _REPEATED + _RETURNED and before is not None and may_return:
            device.before, device.version = device.version, before
        elif device.uses:
            device.newest_version += 1
            device.before, device.version = device.version, device.newest_version
        device.uses[device.version] = device.uses.get(device.version, 0) + 1

    def _posting(self, device: _Device, kind: Kind) -> Posting:
        member = self.fleet.device(device.number)
        device_id, tenant_id = member.device_id, member.tenant_id
        if kind is Kind.ORPHAN and self._chance.random() < 0.5:
            device_id = self.fleet.unknown_device_id(device.number)
        elif kind is Kind.ORPHAN:
            tenant_id = self.fleet.foreign_tenant_id(device.number)
        collected_at = _START + device.polls * _POLL_INTERVAL
        text = self._text(device, kind)
        _, body = message_of(
            PolledFile(device_id, tenant_id, collected_at, PolledText(text), path="chaos")
        )
        if kind is Kind.MALFORMED:
            body = spoiled(body, self._chance)
        message = Message(
            name=f"{kind} of device {device.number} at its poll {device.polls}",
            kind=kind,
            device_id=device_id,
            tenant_id=tenant_id,
            collected_at=collected_at,
            digest=_sha256(text),
            body_digest=_sha256(body.reveal()),
        )
        return message, body

    def _text(self, device: _Device, kind: Kind) -> bytes:
        """What tells this version from all others stands behind what they share."""
        secret = f"\n# {kind} {device.version}\nset password={self._canary.text}\n"
        return device.head + secret.encode()


def _head(seed: int, number: int) -> bytes:
    """The beginning of a lifelike export."""
    shortest, longest = _TEXT_BYTES
    return export_of(seed, number, 0).reveal()[: shortest + number * 37 % (longest - shortest)]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
