"""What a simulated fleet publishes: round after round, each message with what it should become."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import Factory, field, frozen
from attrs.validators import ge

from snapshot_domain.model import DeviceId, TenantId
from snapshot_domain.secret import RawMessage
from snapshot_ingest.poller import PolledFile, message_of
from snapshot_ingest.simulator.chance import chance
from snapshot_ingest.simulator.fleet import Fleet
from snapshot_ingest.simulator.history import Poll, Rates, history_of
from snapshot_ingest.simulator.malformed import spoiled
from snapshot_ingest.simulator.routeros import export_of, routeros_version_of

ROUND_INTERVAL = timedelta(hours=6)
ROUND_SPREAD = timedelta(minutes=30)
"""A round's devices are polled one after another over this time."""

DEFAULT_ROUNDS = 4


class Expected(StrEnum):
    """What should become of a message."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    MALFORMED = "malformed"
    ORPHANED = "orphaned"


@frozen
class SimulatedMessage:
    """A message to publish.

    `expected` holds if each message is decided before the next arrives. With several in hand
    at once a late one may come before the newer one after all, and then one that was to be
    stored can be unchanged, or the other way round.
    """

    subject: str
    body: RawMessage = field(eq=False)
    expected: Expected


@frozen
class Totals:
    """How many messages of each kind there are.

    `malformed`, `orphaned` and the sum of `stored` and `unchanged` hold for every order of
    arrival; how that sum is shared out holds for the order in which they are published.
    """

    stored: int
    unchanged: int
    malformed: int
    orphaned: int

    @property
    def published(self) -> int:
        """How many messages there are."""
        return self.stored + self.unchanged + self.malformed + self.orphaned


@frozen
class _Planned:
    """A message before it is made: cheap, so that a plan can be counted."""

    round_number: int
    device_number: int
    version: int
    expected: Expected


def start_that_ends_at(end: datetime, rounds: int) -> datetime:
    """The start of a simulation whose last poll lies just before `end`."""
    return end.replace(microsecond=0) - (rounds - 1) * ROUND_INTERVAL - ROUND_SPREAD


@frozen
class Simulation:
    """The messages of a fleet in several rounds, 6 hours apart, the first one at `start`.

    The same values give the same messages, to the byte. Each message is made when its turn
    comes: a simulation of any size takes next to no memory.
    """

    fleet: Fleet
    start: datetime
    rounds: int = field(default=DEFAULT_ROUNDS, validator=ge(1))
    rates: Rates = field(default=Factory(Rates))

    def messages(self) -> Iterator[SimulatedMessage]:
        """All messages, in the order in which they are to be published."""
        return map(self._made, self._plan())

    def totals(self) -> Totals:
        """How many messages of each kind `messages` makes; counted without making them."""
        counts = Counter(planned.expected for planned in self._plan())
        return Totals(
            stored=counts[Expected.STORED],
            unchanged=counts[Expected.UNCHANGED],
            malformed=counts[Expected.MALFORMED],
            orphaned=counts[Expected.ORPHANED],
        )

    def _plan(self) -> Iterator[_Planned]:
        for round_number in range(self.rounds):
            for device_number in range(self.fleet.device_count):
                yield from self._on_time(round_number, device_number)
            if round_number:
                for device_number in range(self.fleet.device_count):
                    yield from self._late(round_number - 1, device_number)

    def _on_time(self, round_number: int, device_number: int) -> Iterator[_Planned]:
        poll = self._poll(round_number, device_number)
        if not poll.late:
            yield _Planned(round_number, device_number, poll.version, _expected(poll))
        if poll.malformed:
            yield _Planned(round_number, device_number, poll.version, Expected.MALFORMED)
        if poll.orphaned:
            yield _Planned(round_number, device_number, poll.version, Expected.ORPHANED)

    def _late(self, round_number: int, device_number: int) -> Iterator[_Planned]:
        poll = self._poll(round_number, device_number)
        if poll.late:
            yield _Planned(round_number, device_number, poll.version, _expected(poll))

    def _poll(self, round_number: int, device_number: int) -> Poll:
        return history_of(self.fleet.seed, device_number, self.rounds, self.rates)[round_number]

    def _made(self, planned: _Planned) -> SimulatedMessage:
        device = self.fleet.device(planned.device_number)
        device_id, tenant_id = device.device_id, device.tenant_id
        draw = chance(
            self.fleet.seed, planned.expected, planned.round_number, planned.device_number
        )
        if planned.expected is Expected.ORPHANED:
            if draw.random() < 0.5:
                device_id = self.fleet.unknown_device_id(planned.device_number)
            else:
                tenant_id = self.fleet.foreign_tenant_id(planned.device_number)
        subject, body = message_of(self._polled(planned, device_id, tenant_id))
        if planned.expected is Expected.MALFORMED:
            body = spoiled(body, draw)
        return SimulatedMessage(subject, body, planned.expected)

    def _polled(self, planned: _Planned, device_id: DeviceId, tenant_id: TenantId) -> PolledFile:
        seed, number = self.fleet.seed, planned.device_number
        return PolledFile(
            device_id=device_id,
            tenant_id=tenant_id,
            collected_at=self._collected_at(planned.round_number, number),
            text=export_of(seed, number, planned.version),
            path=f"simulated/{number}",
            routeros_version=routeros_version_of(seed, number),
        )

    def _collected_at(self, round_number: int, device_number: int) -> datetime:
        place = device_number / self.fleet.device_count
        seconds = int(place * ROUND_SPREAD.total_seconds())
        return self.start + round_number * ROUND_INTERVAL + timedelta(seconds=seconds)


def _expected(poll: Poll) -> Expected:
    return Expected.STORED if poll.stored else Expected.UNCHANGED
