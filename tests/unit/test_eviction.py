"""What was evicted between two looks: cases by hand, then a model stream in any order."""

from datetime import UTC, datetime, timedelta

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from snapshot_domain.eviction import NOTHING_EVICTED, Eviction, eviction_between
from snapshot_domain.ports import Floor

MORNING = datetime(2026, 4, 2, 6, 15, tzinfo=UTC)

BEFORE = Floor(
    stream="DEVICE_EVENTS",
    stream_created_at=MORNING,
    consumer="config_snapshot_ingest",
    consumer_created_at=MORNING,
    sequence=90,
    delivered_sequence=100,
    deliveries=40,
    pending=20,
    first_sequence=50,
    last_sequence=300,
    at=MORNING,
)


def test_nothing_happened_nothing_evicted() -> None:
    assert eviction_between(BEFORE, BEFORE) == NOTHING_EVICTED


def test_a_fall_of_pending_without_deliveries_was_evicted() -> None:
    after = evolve(BEFORE, pending=15, first_sequence=113)
    assert eviction_between(BEFORE, after) == Eviction(at_least=5, at_most=12)


def test_deliveries_explain_a_fall() -> None:
    after = evolve(BEFORE, pending=5, deliveries=55, delivered_sequence=200)
    assert eviction_between(BEFORE, after) == NOTHING_EVICTED


def test_redeliveries_explain_no_more_than_the_sequences_that_were_passed() -> None:
    after = evolve(BEFORE, pending=10, deliveries=60, delivered_sequence=103, first_sequence=111)
    assert eviction_between(BEFORE, after) == Eviction(at_least=7, at_most=10)


def test_others_messages_in_between_are_no_deliveries() -> None:
    after = evolve(BEFORE, pending=10, deliveries=44, delivered_sequence=180, first_sequence=120)
    assert eviction_between(BEFORE, after) == Eviction(at_least=6, at_most=19)


def test_arrivals_hide_evictions_from_the_lower_bound_and_not_from_the_upper() -> None:
    after = evolve(BEFORE, pending=20, first_sequence=151, last_sequence=400)
    assert eviction_between(BEFORE, after) == Eviction(at_least=0, at_most=50)


def test_arrivals_hide_nothing_once_all_that_was_there_is_gone() -> None:
    after = evolve(BEFORE, pending=500, first_sequence=301, last_sequence=900)
    assert eviction_between(BEFORE, after) == Eviction(at_least=20, at_most=200)


def test_telemetry_alone_raises_only_the_upper_bound() -> None:
    before = evolve(BEFORE, pending=0)
    after = evolve(before, first_sequence=810, last_sequence=1_001)
    assert eviction_between(before, after) == Eviction(at_least=0, at_most=709)


def test_what_was_delivered_is_not_evicted_although_it_is_gone() -> None:
    after = evolve(BEFORE, first_sequence=101)
    assert eviction_between(BEFORE, after) == NOTHING_EVICTED


@pytest.mark.parametrize("what", ["stream_created_at", "consumer_created_at"])
def test_nothing_is_said_across_another_stream_or_consumer(what: str) -> None:
    again = {what: MORNING + timedelta(hours=1)}
    after = evolve(BEFORE, pending=0, deliveries=0, first_sequence=900, **again)  # type: ignore[arg-type]  # attrs' evolve takes the fields by name
    assert eviction_between(BEFORE, after) == NOTHING_EVICTED


@define
class ModelStream:
    """A stream of bounded size that is shared, and its one consumer; it knows what was lost."""

    capacity: int
    messages: dict[int, bool] = field(factory=dict)  # by sequence, whether it is ours
    last: int = 0
    delivered: int = 0
    deliveries: int = 0
    lost: int = 0

    def publish(self, count: int, *, ours: bool) -> None:
        for _ in range(count):
            self.last += 1
            self.messages[self.last] = ours
            if len(self.messages) > self.capacity:
                oldest = self.first
                if self.messages.pop(oldest) and oldest > self.delivered:
                    self.lost += 1

    def deliver(self, count: int) -> None:
        for sequence in [*self.pending][:count]:
            self.delivered = sequence
            self.deliveries += 1

    def redeliver(self, count: int) -> None:
        if self.delivered:
            self.deliveries += count

    @property
    def first(self) -> int:
        return min(self.messages, default=self.last + 1)

    @property
    def pending(self) -> list[int]:
        return [s for s, ours in sorted(self.messages.items()) if ours and s > self.delivered]


def do(stream: ModelStream, step: tuple[str, int]) -> None:
    match step:
        case ("snapshots", count):
            stream.publish(count, ours=True)
        case ("telemetry", count):
            stream.publish(count, ours=False)
        case ("deliver", count):
            stream.deliver(count)
        case ("redeliver", count):
            stream.redeliver(count)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["snapshots", "telemetry", "deliver", "redeliver"]), st.integers(1, 12)
    ),
    max_size=6,
)
AMID = st.lists(
    st.tuples(st.sampled_from(["snapshots", "telemetry", "deliver"]), st.integers(1, 3)),
    max_size=2,
)
LOOKS = st.lists(st.tuples(STEPS, AMID, AMID), min_size=2, max_size=8)


@given(capacity=st.integers(1, 20), looks=LOOKS)
def test_what_is_really_lost_lies_between_the_bounds(
    capacity: int, looks: list[tuple[list[tuple[str, int]], ...]]
) -> None:
    """Each look asks three times, and the stream goes on between its questions.

    What goes amid a look may have been passed by when the next one begins: that much the upper
    bound may miss.
    """
    stream = ModelStream(capacity)
    former: Floor | None = None
    at_least = at_most = lost_before = lost_amid_looks = 0
    for steps, amid, amid_too in looks:
        for step in steps:
            do(stream, step)
        first, lost_at_first = stream.first, stream.lost
        for step in amid:
            do(stream, step)
        consumer = (stream.delivered, stream.deliveries, len(stream.pending))
        lost = stream.lost
        for step in amid_too:
            do(stream, step)
        floor = evolve(
            BEFORE,
            delivered_sequence=consumer[0],
            deliveries=consumer[1],
            pending=consumer[2],
            first_sequence=first,
            last_sequence=stream.last,
        )
        if former is None:
            lost_before = lost
        else:
            eviction = eviction_between(former, floor)
            at_least += eviction.at_least
            at_most += eviction.at_most
            assert eviction.at_least <= eviction.at_most
            assert at_least <= lost - lost_before
            assert lost_at_first - lost_before <= at_most + lost_amid_looks
        lost_amid_looks += stream.lost - lost_at_first
        former = floor


@given(capacity=st.integers(1, 20), counts=st.lists(st.integers(0, 40), min_size=2, max_size=8))
def test_telemetry_alone_never_raises_the_lower_bound(capacity: int, counts: list[int]) -> None:
    stream = ModelStream(capacity)
    stream.publish(1, ours=True)
    stream.deliver(1)
    former: Floor | None = None
    for count in counts:
        stream.publish(count, ours=False)
        floor = evolve(
            BEFORE,
            delivered_sequence=stream.delivered,
            deliveries=stream.deliveries,
            pending=len(stream.pending),
            first_sequence=stream.first,
            last_sequence=stream.last,
        )
        if former is not None:
            assert eviction_between(former, floor).at_least == 0
        former = floor
