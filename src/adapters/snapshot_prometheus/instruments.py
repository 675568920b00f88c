"""Every metric that we define: its name, its meaning, its labels and its buckets."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from snapshot_domain.errors import Dependency
from snapshot_domain.events import Stage
from snapshot_domain.outcome import MalformedReason
from snapshot_domain.ports import QuarantineReason
from snapshot_prometheus.errors import MetricNameTaken
from snapshot_prometheus.labels import ATTEMPTS, OUTCOMES, ErrorType, GraceEnd

_STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_INGESTION_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_BATCH_MESSAGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
_BATCH_BYTES = tuple(float(4**exponent) for exponent in range(5, 14))  # 1 KiB to 64 MiB

_MetricT = TypeVar("_MetricT", bound=MetricWrapperBase)


class Instruments:
    """All our metrics, registered together or not at all.

    Every value of every label is there from the start with 0, so that `rate()` also sees the
    first increase. Raises `MetricNameTaken`.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._metrics: dict[str, MetricWrapperBase] = {}
        self._define_the_former_subscribers()
        self._define_batches()
        self._define_deliveries()
        self._define_backlog()
        self._define_waiting()
        self._define_faults()
        self._define_listeners()
        _register_all(registry, self._metrics)

    def unregister(self, registry: CollectorRegistry) -> None:
        """Takes all of them out of the registry."""
        _unregister_all(registry, self._metrics.values())

    def _define_the_former_subscribers(self) -> None:
        # Dashboards and alerts know these four by name: they stay as they are.
        self.ingested = self._counter(
            "config_snapshot_ingested_total", "Snapshots stored: first of a device, or changed."
        )
        self.dedup_skipped = self._counter(
            "config_snapshot_dedup_skipped_total", "Snapshots not stored because unchanged."
        )
        self.errors = self._counter(
            "config_snapshot_errors_total",
            "Messages rejected or to be delivered again, by what went wrong.",
            error_type=ErrorType,
        )
        self.ingestion_seconds = self._histogram(
            "config_snapshot_ingestion_duration_seconds",
            "For each stored snapshot, from the delivery that led to the commit, to the commit.",
            _INGESTION_SECONDS,
        )

    def _define_batches(self) -> None:
        self.batch_messages = self._histogram(
            "snapshot_ingest_batch_messages", "Messages in a batch.", _BATCH_MESSAGES
        )
        self.batch_bytes = self._histogram(
            "snapshot_ingest_batch_size_bytes", "Bytes of messages in a batch.", _BATCH_BYTES
        )
        self.stage_seconds = self._histogram(
            "snapshot_ingest_stage_duration_seconds",
            "Time that a batch took in each stage.",
            _STAGE_SECONDS,
            stage=Stage,
        )
        self.in_flight_batches = self._gauge(
            "snapshot_ingest_in_flight_batches", "Batches in hand now."
        )
        self.in_flight_messages = self._gauge(
            "snapshot_ingest_in_flight_messages", "Messages in hand now."
        )
        self.in_flight_bytes = self._gauge(
            "snapshot_ingest_in_flight_bytes", "Bytes of messages in hand now."
        )

    def _define_deliveries(self) -> None:
        self.received_bytes = self._counter(
            "snapshot_ingest_received_bytes_total", "Bytes of messages handled."
        )
        self.stored_bytes = self._counter(
            "snapshot_ingest_stored_bytes_total", "Bytes of ciphertext stored."
        )
        self.deliveries = self._counter(
            "snapshot_ingest_deliveries_total",
            "Deliveries handled, by which attempt they were.",
            attempt=ATTEMPTS,
        )
        self.redeliveries = self._counter(
            "snapshot_ingest_redeliveries_total",
            "Deliveries handled that were not a message's first.",
        )
        self.outcomes = self._counter(
            "snapshot_ingest_outcomes_total",
            "What became of deliveries.",
            outcome=OUTCOMES.values(),
        )
        self.malformed = self._counter(
            "snapshot_ingest_malformed_total",
            "Malformed messages, by what is wrong with them.",
            reason=MalformedReason,
        )
        self.received_time_used = self._counter(
            "snapshot_ingest_received_time_used_total",
            "Snapshots whose own time was absent, unreadable or too far ahead, so that the "
            "time at which the stream received them stands in for it.",
        )
        self.digest_mismatches = self._counter(
            "snapshot_ingest_digest_mismatches_total",
            "Snapshots whose digest is not that of the received text.",
        )

    def _define_backlog(self) -> None:
        self.backlog_pending = self._gauge(
            "snapshot_ingest_backlog_pending_messages", "Messages that were never delivered."
        )
        self.backlog_unsettled = self._gauge(
            "snapshot_ingest_backlog_unsettled_messages",
            "Messages that are delivered and not yet settled.",
        )
        self.backlog_redelivered = self._gauge(
            "snapshot_ingest_backlog_redelivered_messages",
            "Unsettled messages that were delivered before.",
        )
        self.backlog_oldest_seconds = self._gauge(
            "snapshot_ingest_backlog_oldest_age_seconds",
            "Age of the oldest message that is not settled, 0 where nothing waits.",
        )

        self.evicted = self._counter(
            "snapshot_ingest_evicted_messages_total",
            "Messages that the stream discarded before they were delivered, at least.",
        )
        self.evicted_at_most = self._counter(
            "snapshot_ingest_evicted_at_most_messages_total",
            "The same at most: others' messages on a shared stream may be among them.",
        )

    def _define_waiting(self) -> None:
        self.waiting = self._gauge(
            "snapshot_ingest_waiting_messages",
            "Messages that wait in the quarantine for their device or their tenant's key; every "
            "worker sees all of them.",
            reason=(QuarantineReason.ORPHAN, QuarantineReason.KEY_MISSING),
        )
        self.grace_ended = self._counter(
            "snapshot_ingest_orphan_grace_ended_total",
            "Orphans whose device did not appear in time, by what became of them.",
            end=GraceEnd,
        )

    def _define_faults(self) -> None:
        self.settlements_unconfirmed = self._counter(
            "snapshot_ingest_settlements_unconfirmed_total",
            "Messages whose settlement the source did not confirm: they may come again.",
        )
        self.fetch_failures = self._counter(
            "snapshot_ingest_fetch_failures_total",
            "Times that nothing could be fetched, by what failed.",
            dependency=Dependency,
        )
        self.paused = self._gauge(
            "snapshot_ingest_paused_dependencies",
            "1 while intake pauses because this dependency cannot do its work, else 0.",
            dependency=Dependency,
        )

    def _define_listeners(self) -> None:
        # Listeners are not known yet: each has its series from its first moment on.
        self.listener_told = self._counter(
            "snapshot_ingest_listener_told_total",
            "Notices of stored snapshots that a listener took.",
            listener=(),
        )
        self.listener_failures = self._counter(
            "snapshot_ingest_listener_failures_total",
            "Times that a listener failed, or could not be told.",
            listener=(),
        )
        self.listener_queued = self._gauge(
            "snapshot_ingest_listener_queued_notices",
            "Notices that wait for a listener in memory.",
            listener=(),
        )
        self.listeners_behind = self._gauge(
            "snapshot_ingest_behind_listeners",
            "1 while a listener has yet to catch up with what was stored, else 0.",
            listener=(),
        )

    def _counter(self, name: str, meaning: str, **labels: Iterable[str]) -> Counter:
        return self._defined(name, Counter(name, meaning, tuple(labels), registry=None), labels)

    def _gauge(self, name: str, meaning: str, **labels: Iterable[str]) -> Gauge:
        return self._defined(name, Gauge(name, meaning, tuple(labels), registry=None), labels)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...], **labels: Iterable[str]
    ) -> Histogram:
        histogram = Histogram(name, meaning, tuple(labels), buckets=buckets, registry=None)
        return self._defined(name, histogram, labels)

    def _defined(
        self, name: str, metric: _MetricT, labels: Mapping[str, Iterable[str]]
    ) -> _MetricT:
        for label, values in labels.items():
            for value in values:
                metric.labels(**{label: value})
        self._metrics[name] = metric
        return metric


def _register_all(registry: CollectorRegistry, metrics: dict[str, MetricWrapperBase]) -> None:
    registered: list[MetricWrapperBase] = []
    for name, metric in metrics.items():
        if not _registered(registry, metric):
            _unregister_all(registry, registered)
            raise MetricNameTaken(name)
        registered.append(metric)


def _registered(registry: CollectorRegistry, metric: MetricWrapperBase) -> bool:
    try:
        registry.register(metric)
    except ValueError:  # what the registry raises for a name that it has
        return False
    return True


def _unregister_all(registry: CollectorRegistry, metrics: Iterable[MetricWrapperBase]) -> None:
    for metric in metrics:
        registry.unregister(metric)
