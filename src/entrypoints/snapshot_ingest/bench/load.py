"""The messages of a case: which devices there are, and what each publishes in its turn."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from attrs import field, frozen

from snapshot_domain.model import Digest
from snapshot_domain.secret import Configuration, RawMessage
from snapshot_ingest.bench.case import Case
from snapshot_ingest.bench.texts import Texts
from snapshot_ingest.poller import PolledFile, message_of
from snapshot_ingest.simulator.chance import chance
from snapshot_ingest.simulator.fleet import Fleet, SimulatedDevice

_LEAST_DEVICES = 1_000
_SEED = 1
START = datetime(2026, 1, 1, tzinfo=UTC)
_BETWEEN_MESSAGES = timedelta(milliseconds=10)


@frozen
class Load:
    """The fleet polled round after round, one message after the other, each newer than the last.

    Every device has a head already: version 0 of its text, seeded as of `START`.
    """

    case: Case
    texts: Texts
    fleet: Fleet = field(init=False)

    @fleet.default
    def _fleet_of_the_case(self) -> Fleet:
        devices = max(_LEAST_DEVICES, self.case.tenants)
        return Fleet(_SEED, devices, self.case.tenants)

    def seeds(self) -> Iterator[tuple[SimulatedDevice, Digest]]:
        """Each device with the digest of the text that it has at `START`."""
        for device in self.fleet.devices():
            text = self.texts.text(device.number, 0).reveal()
            yield device, Digest.of(Configuration(text))

    def messages(self, first: int, count: int) -> Iterator[tuple[str, RawMessage]]:
        """So many messages from number `first` on; the same numbers give the same messages."""
        for number in range(first, first + count):
            yield self.message(number, START + (number + 1) * _BETWEEN_MESSAGES)

    def message(self, number: int, collected_at: datetime) -> tuple[str, RawMessage]:
        """The message of this number, collected at another time."""
        turn, place = divmod(number, self.fleet.device_count)
        device = self.fleet.device(place)
        polled = PolledFile(
            device_id=device.device_id,
            tenant_id=device.tenant_id,
            collected_at=collected_at,
            text=self.texts.text(place, self._version(place, turn)),
            path="bench",
        )
        return message_of(polled)

    def _version(self, device: int, turn: int) -> int:
        """The last turn, up to this one, in which the device's text was changed."""
        while turn >= 0 and not self._is_changed(device, turn):
            turn -= 1
        return turn + 1

    def _is_changed(self, device: int, turn: int) -> bool:
        if not self.case.unchanged_percent:
            return True
        draw = chance(_SEED, "changed", device, turn)
        return draw.random() * 100 >= self.case.unchanged_percent
