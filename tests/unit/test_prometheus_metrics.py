"""PrometheusMetrics: the figures that a scrape shows after events."""

import logging
from typing import get_args
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from snapshot_conformance.metrics import EVERY_EVENT, EVERY_OUTCOME, MetricsContract
from snapshot_domain.errors import Dependency
from snapshot_domain.events import (
    BacklogObserved,
    BatchHandled,
    EvictionSeen,
    FetchFailed,
    GraceEnded,
    InFlightChanged,
    IntakePaused,
    IntakeResumed,
    ListenerObserved,
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
from snapshot_prometheus import PrometheusMetrics
from support.messages import MORNING

STORED = Stored(SnapshotId(UUID(int=1)))


class Scrape:
    """An exposition, read back: the value of each sample by name and labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        families = text_string_to_metric_families(generate_latest(registry).decode())
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        return self.samples[name, frozenset(labels.items())]

    def values(self, name: str, label: str) -> dict[str, float]:
        """The values of a metric by its one label, without those that are 0."""
        return {
            dict(labels)[label]: value
            for (found, labels), value in self.samples.items()
            if found == name and value
        }


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> PrometheusMetrics:
    return PrometheusMetrics(registry)


class TestPrometheusMetrics(MetricsContract):
    @pytest.fixture
    def metrics(self) -> Metrics:
        return PrometheusMetrics(CollectorRegistry())


def handled(outcome: Outcome, attempt: int = 1) -> MessageHandled:
    return MessageHandled(outcome, attempt=attempt, body_bytes=1_000)


def batch(*messages: MessageHandled) -> BatchHandled:
    return BatchHandled(messages=messages, stage_seconds={})


def test_a_batch_is_counted_by_what_became_of_its_messages(
    registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    metrics.record(
        batch(
            *[handled(STORED)] * 2,
            *[handled(Unchanged())] * 5,
            *[handled(AlreadyStored())] * 3,
            handled(Orphaned()),
            handled(GivenBack()),
        )
    )
    scrape = Scrape(registry)
    assert scrape.value("config_snapshot_ingested_total") == 2
    assert scrape.value("config_snapshot_dedup_skipped_total") == 5
    assert scrape.values("config_snapshot_errors_total", "error_type") == {"orphan_device": 1}
    assert scrape.values("snapshot_ingest_outcomes_total", "outcome") == {
        "stored": 2,
        "unchanged": 5,
        "already_stored": 3,
        "orphan": 1,
        "given_back": 1,
    }


@pytest.mark.parametrize(
    ("outcome", "error_type"),
    [
        (Malformed(MalformedReason.NOT_JSON), "malformed"),
        (DependencyUnavailable(Dependency.CIPHER), "encrypt_unavailable"),
        (Orphaned(), "orphan_device"),
        (DependencyUnavailable(Dependency.REPOSITORY), "db_error"),
        (DependencyUnavailable(Dependency.DIRECTORY), "db_error"),
        (DependencyUnavailable(Dependency.QUARANTINE), "db_error"),
        (DigestMismatched(), "hash_mismatch"),
        (ItemRefused(Dependency.CIPHER), "cipher_refused"),
        (ItemRefused(Dependency.REPOSITORY), "repository_refused"),
        (TenantKeyMissing(), "key_missing"),
        (DependencyBusy(Dependency.CIPHER), "encrypt_unavailable"),
        (DependencyBusy(Dependency.REPOSITORY), "db_error"),
        (DependencyMisconfigured(Dependency.CIPHER, "log in again"), "misconfigured"),
        (DependencyMisconfigured(Dependency.REPOSITORY, "migrate"), "misconfigured"),
        (Unforeseen("KeyError"), "unforeseen"),
    ],
)
def test_each_fault_has_its_error_type(
    registry: CollectorRegistry, metrics: PrometheusMetrics, outcome: Outcome, error_type: str
) -> None:
    metrics.record(batch(handled(outcome), handled(outcome)))
    scrape = Scrape(registry)
    assert scrape.values("config_snapshot_errors_total", "error_type") == {error_type: 2}


@pytest.mark.parametrize("outcome", [STORED, Unchanged(), AlreadyStored(), GivenBack()])
def test_what_is_no_fault_is_no_error(
    registry: CollectorRegistry, metrics: PrometheusMetrics, outcome: Outcome
) -> None:
    metrics.record(batch(handled(outcome)))
    assert Scrape(registry).values("config_snapshot_errors_total", "error_type") == {}


def test_malformed_messages_are_counted_by_reason(
    registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    reasons = [MalformedReason.DIGEST, MalformedReason.NOT_JSON, MalformedReason.DIGEST]
    metrics.record(batch(*(handled(Malformed(reason)) for reason in reasons)))
    counts = Scrape(registry).values("snapshot_ingest_malformed_total", "reason")
    assert counts == {"digest": 2, "not_json": 1}


def test_deliveries_are_counted_by_attempt_and_the_label_is_bounded(
    registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    attempts = [1, 1, 1, 2, 2, 3, 4, 5, 5_000]
    metrics.record(batch(*(handled(Unchanged(), attempt) for attempt in attempts)))
    scrape = Scrape(registry)
    assert scrape.values("snapshot_ingest_deliveries_total", "attempt") == {
        "1": 3,
        "2": 2,
        "3": 1,
        "more": 3,
    }
    assert scrape.value("snapshot_ingest_redeliveries_total") == 6


def test_bytes_in_and_stored_are_summed(
    registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    metrics.record(
        batch(
            MessageHandled(STORED, attempt=1, body_bytes=2_000, stored_bytes=3_000),
            MessageHandled(STORED, attempt=1, body_bytes=500, stored_bytes=700),
            MessageHandled(Unchanged(), attempt=1, body_bytes=100),
        )
    )
    scrape = Scrape(registry)
    assert scrape.value("snapshot_ingest_received_bytes_total") == 2_600
    assert scrape.value("snapshot_ingest_stored_bytes_total") == 3_700
    assert scrape.value("snapshot_ingest_batch_size_bytes_sum") == 2_600
    assert scrape.value("snapshot_ingest_batch_messages_sum") == 3
    assert scrape.value("snapshot_ingest_batch_messages_count") == 1


def test_only_what_was_stored_is_timed_to_its_commit(
    registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    stored = MessageHandled(STORED, attempt=1, body_bytes=1, to_commit_seconds=0.03)
    slow = MessageHandled(STORED, attempt=1, body_bytes=1, to_commit_seconds=90.0)
    metrics.record(batch(stored, slow, handled(Unchanged()), handled(Orphaned())))
    scrape = Scrape(registry)
    name = "config_snapshot_ingestion_duration_seconds"
    assert scrape.value(f"{name}_count") == 2
    assert scrape.value(f"{name}_sum") == pytest.approx(90.03)
    assert scrape.value(f"{name}_bucket", le="0.025") == 0
    assert scrape.value(f"{name}_bucket", le="0.05") == 1
    assert scrape.value(f"{name}_bucket", le="120.0") == 2


def test_each_stage_is_timed(registry: CollectorRegistry, metrics: PrometheusMetrics) -> None:
    metrics.record(
        BatchHandled(messages=[], stage_seconds={Stage.DECODE: 0.002, Stage.ENCRYPT: 0.2})
    )
    metrics.record(BatchHandled(messages=[], stage_seconds={Stage.ENCRYPT: 0.3}))
    scrape = Scrape(registry)
    name = "snapshot_ingest_stage_duration_seconds"
    assert scrape.values(f"{name}_count", "stage") == {"decode": 1, "encrypt": 2}
    assert scrape.value(f"{name}_sum", stage="encrypt") == pytest.approx(0.5)
    assert scrape.value(f"{name}_count", stage="store") == 0


def test_fallback_times_and_digest_mismatches_are_counted_beside_the_outcome(
    registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    both = MessageHandled(
        STORED, attempt=1, body_bytes=1, received_time_used=True, digest_mismatch=True
    )
    mismatch = MessageHandled(Unchanged(), attempt=1, body_bytes=1, digest_mismatch=True)
    metrics.record(batch(both, mismatch, handled(STORED)))
    scrape = Scrape(registry)
    assert scrape.value("snapshot_ingest_received_time_used_total") == 1
    assert scrape.value("snapshot_ingest_digest_mismatches_total") == 2
    assert scrape.values("config_snapshot_errors_total", "error_type") == {}


def test_in_flight_and_backlog_show_the_last_event(
    registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    metrics.record(InFlightChanged(batches=9, messages=9, body_bytes=9))
    metrics.record(InFlightChanged(batches=1, messages=100, body_bytes=204_800))
    metrics.record(BacklogObserved(pending=7, unsettled=3, redelivered=1, oldest_age_seconds=12.5))
    scrape = Scrape(registry)
    assert scrape.value("snapshot_ingest_in_flight_batches") == 1
    assert scrape.value("snapshot_ingest_in_flight_messages") == 100
    assert scrape.value("snapshot_ingest_in_flight_bytes") == 204_800
    assert scrape.value("snapshot_ingest_backlog_pending_messages") == 7
    assert scrape.value("snapshot_ingest_backlog_unsettled_messages") == 3
    assert scrape.value("snapshot_ingest_backlog_redelivered_messages") == 1
    assert scrape.value("snapshot_ingest_backlog_oldest_age_seconds") == 12.5


def test_evictions_are_added_up_between_their_bounds(
    registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    metrics.record(EvictionSeen(at_least=5, at_most=12, since=MORNING, until=MORNING))
    metrics.record(EvictionSeen(at_least=0, at_most=3, since=MORNING, until=MORNING))
    scrape = Scrape(registry)
    assert scrape.value("snapshot_ingest_evicted_messages_total") == 5
    assert scrape.value("snapshot_ingest_evicted_at_most_messages_total") == 15


def test_what_waits_is_shown_as_it_was_last_seen(
    registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    metrics.record(WaitingObserved(orphans=9, keyless=4))
    metrics.record(WaitingObserved(orphans=3, keyless=1))
    scrape = Scrape(registry)
    assert scrape.value("snapshot_ingest_waiting_messages", reason="orphan") == 3
    assert scrape.value("snapshot_ingest_waiting_messages", reason="key_missing") == 1


def test_orphans_whose_grace_ended_are_counted_by_what_became_of_them(
    registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    metrics.record(GraceEnded(kept=2, discarded=0))
    metrics.record(GraceEnded(kept=1, discarded=4))
    scrape = Scrape(registry)
    assert scrape.value("snapshot_ingest_orphan_grace_ended_total", end="kept") == 3
    assert scrape.value("snapshot_ingest_orphan_grace_ended_total", end="discarded") == 4


def test_failed_fetches_and_settlements_are_counted(
    registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    metrics.record(FetchFailed(Dependency.SOURCE))
    metrics.record(FetchFailed(Dependency.SOURCE))
    metrics.record(SettlementFailed(messages=40))
    scrape = Scrape(registry)
    failures = scrape.values("snapshot_ingest_fetch_failures_total", "dependency")
    assert failures == {"source": 2}
    assert scrape.value("snapshot_ingest_settlements_unconfirmed_total") == 40


def test_an_event_that_cannot_be_counted_is_logged_without_its_figures(
    metrics: PrometheusMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        metrics.record(SettlementFailed(messages=-4711))
    assert "could not be counted: ValueError" in caplog.text
    assert "4711" not in caplog.text


def test_every_event_is_counted_and_none_makes_a_new_series(
    registry: CollectorRegistry, metrics: PrometheusMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    metrics.record(ListenerObserved("diffs", queued=0, behind=False))
    before = set(Scrape(registry).samples)
    for event in EVERY_EVENT:
        metrics.record(event)
    assert caplog.records == []
    assert set(Scrape(registry).samples) == before


def test_the_contract_knows_every_class_of_outcome() -> None:
    assert {type(outcome) for outcome in EVERY_OUTCOME} == set(get_args(Outcome))


def test_a_pause_shows_by_dependency_until_it_ends() -> None:
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)
    metrics.record(IntakePaused(Dependency.CIPHER))
    paused = {"dependency": "cipher"}
    assert registry.get_sample_value("snapshot_ingest_paused_dependencies", paused) == 1
    assert (
        registry.get_sample_value("snapshot_ingest_paused_dependencies", {"dependency": "source"})
        == 0
    )
    metrics.record(IntakeResumed(Dependency.CIPHER))
    assert registry.get_sample_value("snapshot_ingest_paused_dependencies", paused) == 0
