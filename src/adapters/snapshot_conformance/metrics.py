"""The contract of Metrics: it takes every event at any time, and never raises."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from snapshot_domain.errors import Dependency
from snapshot_domain.events import (
    BacklogObserved,
    BatchHandled,
    Event,
    EvictionSeen,
    FetchFailed,
    GraceEnded,
    InFlightChanged,
    IntakePaused,
    IntakeResumed,
    ListenerFailed,
    ListenerObserved,
    ListenerTold,
    MessageHandled,
    SettlementFailed,
    Stage,
    WaitingObserved,
)
from snapshot_domain.model import SnapshotId
from snapshot_domain.outcome import (
    AlreadyStored,
    DependencyBusy,
    DependencyMisconfigured,
    DependencyUnavailable,
    DigestMismatched,
    GivenBack,
    ItemRefused,
    Malformed,
    MalformedReason,
    Orphaned,
    Outcome,
    Stored,
    TenantKeyMissing,
    Unchanged,
    Unforeseen,
)
from snapshot_domain.ports import Metrics

_MORNING = datetime(2026, 4, 2, 6, 15, 9, tzinfo=UTC)

EVERY_OUTCOME: tuple[Outcome, ...] = (
    Stored(SnapshotId(UUID(int=1))),
    Unchanged(),
    AlreadyStored(),
    *(Malformed(reason) for reason in MalformedReason),
    Orphaned(),
    DigestMismatched(),
    *(ItemRefused(dependency) for dependency in Dependency),
    TenantKeyMissing(),
    *(DependencyUnavailable(dependency) for dependency in Dependency),
    *(DependencyBusy(dependency, timedelta(seconds=9)) for dependency in Dependency),
    *(DependencyMisconfigured(dependency, "something to do") for dependency in Dependency),
    Unforeseen("ZeroDivisionError"),
    GivenBack(),
)
"""One of each outcome, and of each variety where it has some."""


def _batch(*outcomes: Outcome) -> BatchHandled:
    return BatchHandled(
        messages=[
            MessageHandled(outcome, attempt=attempt, body_bytes=2_048)
            for attempt, outcome in enumerate(outcomes, start=1)
        ],
        stage_seconds=dict.fromkeys(Stage, 0.01),
    )


EVERY_EVENT: tuple[Event, ...] = (
    _batch(*EVERY_OUTCOME),
    _batch(),
    BatchHandled(messages=[], stage_seconds={}),
    ListenerTold("diffs", notices=3),
    ListenerFailed("diffs"),
    ListenerObserved("diffs", queued=7, behind=True),
    InFlightChanged(batches=1, messages=100, body_bytes=204_800),
    BacklogObserved(pending=7, unsettled=3, redelivered=1, oldest_age_seconds=12.5),
    EvictionSeen(at_least=5, at_most=12, since=_MORNING, until=_MORNING + timedelta(seconds=5)),
    WaitingObserved(orphans=4, keyless=2),
    GraceEnded(kept=3, discarded=0),
    SettlementFailed(messages=2),
    *(IntakePaused(dependency) for dependency in Dependency),
    *(IntakeResumed(dependency) for dependency in Dependency),
    *(FetchFailed(dependency) for dependency in Dependency),
)
"""One of each event, and of each variety where it has some."""


class MetricsContract:
    """Subclass it and give it `metrics`."""

    @pytest.fixture
    def metrics(self) -> Metrics:
        """The metrics under test."""
        raise NotImplementedError("a subclass gives the metrics")

    @pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda event: type(event).__name__)
    def test_every_event_is_taken(self, metrics: Metrics, event: Event) -> None:
        metrics.record(event)

    def test_an_event_with_impossible_figures_does_not_raise(self, metrics: Metrics) -> None:
        metrics.record(SettlementFailed(messages=-1))
        metrics.record(BacklogObserved(-1, -1, -1, float("nan")))
        metrics.record(
            BatchHandled(
                messages=[MessageHandled(Unchanged(), attempt=-1, body_bytes=-1)],
                stage_seconds={Stage.DECODE: float("inf")},
            )
        )

    def test_events_may_come_from_several_threads(self, metrics: Metrics) -> None:
        with ThreadPoolExecutor(max_workers=4) as threads:
            for done in [threads.submit(metrics.record, event) for event in EVERY_EVENT * 20]:
                done.result(timeout=30)
