"""The messages of a case: which devices there are, and what each publishes in its turn."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from attrs import field, frozen

from snapshot_domain.model import Digest
from snapshot_domain.secret import Configuration, RawMessage
from snapshot_ingest.bench.case import Case
from snapshot_ingest.bench.texts import Texts
from snapshot_ingest.poller import PolledFile, message_of
from snapshot_ingest.simulator.chance import chance
from snapshot_ingest.simulator.fleet import Fleet, SimulatedDevice

# Far more than the messages that a worker has in hand: a device's next one comes after its last.
_LEAST_DEVICES = 4_000
_SEED = 1
START = datetime(2026, 1, 1, tzinfo=UTC)
_BETWEEN_MESSAGES = timedelta(milliseconds=10)


class Devices(Protocol):
    """Whose texts are published, numbered from 0."""

    @property
    def device_count(self) -> int:
        """How many there are."""
        ...

    def device(self, number: int) -> SimulatedDevice:
        """The device of this number."""
        ...


@frozen
class Sample:
    """Some of the devices that a database is filled with."""

    chosen: Sequence[SimulatedDevice]

    @property
    def device_count(self) -> int:
        """How many were chosen."""
        return len(self.chosen)

    def device(self, number: int) -> SimulatedDevice:
        """The device of this number."""
        return self.chosen[number]


def fleet_of(case: Case) -> Fleet:
    """The case's devices, of all of its tenants. No device is also one of another number's."""
    return Fleet(case.tenants, max(_LEAST_DEVICES, case.tenants), case.tenants)


@frozen
class Load:
    """The devices polled round after round, one message after the other, each newer than the last.

    Every device has a head already: version 0 of its text, seeded as of `START`.
    """

    case: Case
    texts: Texts
    devices: Devices
    _versions: dict[int, tuple[int, int]] = field(factory=dict, init=False, repr=False)
    """For a device the turn that was asked last, and its version then."""

    def seeds(self) -> Iterator[tuple[SimulatedDevice, Digest]]:
        """Each device with the digest of the text that it has at `START`."""
        for number in range(self.devices.device_count):
            text = self.texts.text(number, 0).reveal()
            yield self.devices.device(number), Digest.of(Configuration(text))

    def messages(self, first: int, count: int) -> Iterator[tuple[str, RawMessage]]:
        """So many messages from number `first` on; the same numbers give the same messages."""
        for number in range(first, first + count):
            yield self.message(number, collected_at(number))

    def message(self, number: int, at: datetime) -> tuple[str, RawMessage]:
        """The message of this number, collected at another time."""
        turn, place = divmod(number, self.devices.device_count)
        device = self.devices.device(place)
        polled = PolledFile(
            device_id=device.device_id,
            tenant_id=device.tenant_id,
            collected_at=at,
            text=self.texts.text(place, self._version(place, turn)),
            path="bench",
        )
        return message_of(polled)

    def changes(self, first: int, count: int) -> int:
        """How many of so many messages change their device's text, and are to be stored."""
        if not self.case.unchanged_percent:
            return count
        numbers = range(first, first + count)
        turns = (divmod(number, self.devices.device_count) for number in numbers)
        return sum(self._is_changed(place, turn) for turn, place in turns)

    def _version(self, device: int, turn: int) -> int:
        """The last turn, up to this one, in which the device's text was changed; from 1 on."""
        seen, version = self._versions.get(device, (-1, 0))
        if seen > turn:
            seen, version = -1, 0
        last = next((each for each in range(turn, seen, -1) if self._is_changed(device, each)), -1)
        version = last + 1 or version
        self._versions[device] = turn, version
        return version

    def _is_changed(self, device: int, turn: int) -> bool:
        if not self.case.unchanged_percent:
            return True
        draw = chance(_SEED, "changed", device, turn)
        return draw.random() * 100 >= self.case.unchanged_percent


def first_of_a_new_turn(number: int, before: int, after: int) -> int:
    """Where to go on from `number`, once there are `after` devices where there were `before`.

    A later turn than any before: a device that keeps its place would else be given a text again
    that it has. And no earlier number, since each message is newer than the last.
    """
    turns = -(-number // min(before, after))
    return turns * after


def collected_at(number: int) -> datetime:
    """When the message of this number is said to have been collected."""
    return START + (number + 1) * _BETWEEN_MESSAGES
