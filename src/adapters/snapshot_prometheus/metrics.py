"""Turns events into Prometheus' figures: a batch into sums, and the sums into metrics."""

import logging
from collections import Counter

from prometheus_client import CollectorRegistry

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
    SettlementFailed,
    WaitingObserved,
)
from snapshot_domain.outcome import Malformed, Stored, Unchanged
from snapshot_domain.ports import QuarantineReason
from snapshot_prometheus.instruments import Instruments
from snapshot_prometheus.labels import OUTCOMES, GraceEnd, attempt_label, error_type_of

_log = logging.getLogger(__name__)


class PrometheusMetrics:
    """Metrics in a registry of the caller's choice, so that one process may hold several.

    Raises `MetricNameTaken` if the registry has one of the names; then nothing of ours is
    left in it.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._instruments = Instruments(registry)

    def close(self) -> None:
        """Takes the metrics out of the registry, which may then be used by another instance."""
        self._instruments.unregister(self._registry)

    def record(self, event: Event) -> None:
        """Takes note of the event. Returns at once and never raises."""
        try:
            self._record(event)
        except Exception as error:  # noqa: BLE001 - no figure is worth a message's settlement
            _log.warning("an event could not be counted: %s", type(error).__name__)

    def _record(self, event: Event) -> None:
        match event:
            case BatchHandled():
                self._record_batch(event)
            case InFlightChanged() | BacklogObserved() | WaitingObserved():
                self._show(event)
            case IntakePaused():
                self._instruments.paused.labels(event.dependency).set(1)
            case IntakeResumed():
                self._instruments.paused.labels(event.dependency).set(0)
            case ListenerTold() | ListenerFailed() | ListenerObserved():
                self._record_listener(event)
            case _:
                self._count(event)

    def _show(self, seen: InFlightChanged | BacklogObserved | WaitingObserved) -> None:
        instruments = self._instruments
        match seen:
            case InFlightChanged():
                instruments.in_flight_batches.set(seen.batches)
                instruments.in_flight_messages.set(seen.messages)
                instruments.in_flight_bytes.set(seen.body_bytes)
            case BacklogObserved():
                instruments.backlog_pending.set(seen.pending)
                instruments.backlog_unsettled.set(seen.unsettled)
                instruments.backlog_redelivered.set(seen.redelivered)
                instruments.backlog_oldest_seconds.set(seen.oldest_age_seconds)
            case WaitingObserved():
                instruments.waiting.labels(QuarantineReason.ORPHAN).set(seen.orphans)
                instruments.waiting.labels(QuarantineReason.KEY_MISSING).set(seen.keyless)

    def _record_listener(self, event: ListenerTold | ListenerFailed | ListenerObserved) -> None:
        instruments = self._instruments
        match event:
            case ListenerTold():
                instruments.listener_told.labels(event.listener).inc(event.notices)
            case ListenerFailed():
                instruments.listener_failures.labels(event.listener).inc()
            case ListenerObserved():
                instruments.listener_queued.labels(event.listener).set(event.queued)
                instruments.listeners_behind.labels(event.listener).set(event.behind)
                # There from the start, so that rate() also sees the first of each.
                instruments.listener_told.labels(event.listener)
                instruments.listener_failures.labels(event.listener)

    def _count(self, what: EvictionSeen | GraceEnded | SettlementFailed | FetchFailed) -> None:
        instruments = self._instruments
        match what:
            case EvictionSeen():
                instruments.evicted.inc(what.at_least)
                instruments.evicted_at_most.inc(what.at_most)
            case GraceEnded():
                instruments.grace_ended.labels(GraceEnd.KEPT).inc(what.kept)
                instruments.grace_ended.labels(GraceEnd.DISCARDED).inc(what.discarded)
            case SettlementFailed():
                instruments.settlements_unconfirmed.inc(what.messages)
            case FetchFailed():
                instruments.fetch_failures.labels(what.dependency).inc()

    def _record_batch(self, batch: BatchHandled) -> None:
        instruments = self._instruments
        received_bytes = sum(message.body_bytes for message in batch.messages)
        instruments.batch_messages.observe(len(batch.messages))
        instruments.batch_bytes.observe(received_bytes)
        instruments.received_bytes.inc(received_bytes)
        instruments.stored_bytes.inc(sum(message.stored_bytes for message in batch.messages))
        instruments.received_time_used.inc(sum(m.received_time_used for m in batch.messages))
        instruments.digest_mismatches.inc(sum(m.digest_mismatch for m in batch.messages))
        for stage, seconds in batch.stage_seconds.items():
            instruments.stage_seconds.labels(stage).observe(seconds)
        self._record_attempts(batch)
        self._record_outcomes(batch)

    def _record_attempts(self, batch: BatchHandled) -> None:
        instruments = self._instruments
        attempts = Counter(message.attempt for message in batch.messages)
        for attempt, count in attempts.items():
            instruments.deliveries.labels(attempt_label(attempt)).inc(count)
        instruments.redeliveries.inc(len(batch.messages) - attempts[1])

    def _record_outcomes(self, batch: BatchHandled) -> None:
        instruments = self._instruments
        # Counted by value: most messages of a batch share one of few outcomes.
        kinds = Counter(type(message.outcome) for message in batch.messages)
        for kind, count in kinds.items():
            instruments.outcomes.labels(OUTCOMES[kind]).inc(count)
        instruments.ingested.inc(kinds[Stored])
        instruments.dedup_skipped.inc(kinds[Unchanged])
        error_types = Counter(error_type_of(message.outcome) for message in batch.messages)
        for error_type, count in error_types.items():
            if error_type is not None:
                instruments.errors.labels(error_type).inc(count)
        for message in batch.messages:
            if isinstance(message.outcome, Malformed):
                instruments.malformed.labels(message.outcome.reason).inc()
            if message.to_commit_seconds is not None:
                instruments.ingestion_seconds.observe(message.to_commit_seconds)
