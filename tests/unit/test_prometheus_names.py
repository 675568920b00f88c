"""PrometheusMetrics: names, units and labels, and what happens to a name that is taken."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from snapshot_domain.errors import SnapshotIngestError
from snapshot_domain.events import ListenerObserved, SettlementFailed
from snapshot_prometheus import MetricNameTaken, PrometheusMetrics

KEPT = {
    "config_snapshot_ingested_total": "counter",
    "config_snapshot_dedup_skipped_total": "counter",
    "config_snapshot_errors_total": "counter",
    "config_snapshot_ingestion_duration_seconds": "histogram",
}
LABELS = {"error_type", "outcome", "attempt", "stage", "reason", "dependency", "end", "listener"}
UNITS = ("_dependencies", "_seconds", "_bytes", "_messages", "_batches", "_notices", "_listeners")


def families(registry: CollectorRegistry) -> dict[str, Metric]:
    """The metrics by the name that people query, without the times of creation."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: family
        for family in registry.collect()
    }


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    PrometheusMetrics(registry).record(ListenerObserved("diffs", queued=0, behind=False))
    return registry


def test_the_former_subscribers_names_are_kept(registry: CollectorRegistry) -> None:
    found = families(registry)
    kept = {name: found[name].type for name in found if name.startswith("config_")}
    assert kept == KEPT


def test_all_other_names_begin_with_ours(registry: CollectorRegistry) -> None:
    others = set(families(registry)) - set(KEPT)
    assert others
    assert all(name.startswith("snapshot_ingest_") for name in others)


def test_counters_end_in_total_and_all_else_in_its_unit(registry: CollectorRegistry) -> None:
    for name, family in families(registry).items():
        if family.type == "counter":
            assert name.endswith("_total"), name
        else:
            assert name.endswith(UNITS), name


def test_every_metric_says_what_it_means(registry: CollectorRegistry) -> None:
    for name, family in families(registry).items():
        assert family.documentation.endswith("."), name


def test_no_label_names_a_device_or_a_tenant(registry: CollectorRegistry) -> None:
    found = {
        label
        for family in families(registry).values()
        for sample in family.samples
        for label in sample.labels
    }
    assert found - {"le"} == LABELS


def test_every_value_of_every_label_is_there_with_zero(registry: CollectorRegistry) -> None:
    shown = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    assert set(shown.values()) == {0.0}
    for error_type in (
        "malformed",
        "encrypt_unavailable",
        "orphan_device",
        "db_error",
        "hash_mismatch",
        "cipher_refused",
        "repository_refused",
        "key_missing",
        "misconfigured",
        "unforeseen",
    ):
        assert ("config_snapshot_errors_total", error_type) in shown
    for attempt in ("1", "2", "3", "more"):
        assert ("snapshot_ingest_deliveries_total", attempt) in shown
    for stage in ("decode", "look_up", "encrypt", "store", "quarantine", "settle"):
        assert ("snapshot_ingest_stage_duration_seconds_count", stage) in shown


def test_buckets_reach_from_milliseconds_to_minutes(registry: CollectorRegistry) -> None:
    bounds = [
        float(sample.labels["le"])
        for sample in families(registry)["config_snapshot_ingestion_duration_seconds"].samples
        if sample.name.endswith("_bucket")
    ]
    assert bounds[0] <= 0.01
    assert bounds[-2] >= 60
    assert bounds == sorted(bounds)


def test_two_instances_live_in_one_process_each_in_its_registry() -> None:
    first_registry, second_registry = CollectorRegistry(), CollectorRegistry()
    first, _ = PrometheusMetrics(first_registry), PrometheusMetrics(second_registry)
    first.record(SettlementFailed(messages=3))
    name = "snapshot_ingest_settlements_unconfirmed_total"
    assert first_registry.get_sample_value(name) == 3
    assert second_registry.get_sample_value(name) == 0


@pytest.mark.parametrize("name", list(KEPT))
def test_a_name_that_is_taken_is_one_clear_line_and_leaves_nothing_behind(name: str) -> None:
    registry = CollectorRegistry()
    if name.endswith("_seconds"):
        Histogram(name, "The backend's own.", registry=registry)
    else:
        Counter(name, "The backend's own.", registry=registry)
    before = generate_latest(registry)
    with pytest.raises(MetricNameTaken) as raised:
        PrometheusMetrics(registry)
    assert isinstance(raised.value, SnapshotIngestError)
    assert f"the metric {name} is already" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert generate_latest(registry) == before


def test_a_name_taken_last_takes_back_all_that_was_registered_before_it() -> None:
    names = list(families(_registry_with_ours()))
    registry = CollectorRegistry()
    Gauge(names[-1], "Somebody else's.", registry=registry)
    with pytest.raises(MetricNameTaken, match=names[-1]):
        PrometheusMetrics(registry)
    assert len(list(registry.collect())) == 1


def test_a_second_instance_in_one_registry_is_refused_until_the_first_is_closed() -> None:
    registry = CollectorRegistry()
    first = PrometheusMetrics(registry)
    with pytest.raises(MetricNameTaken):
        PrometheusMetrics(registry)
    first.close()
    assert list(registry.collect()) == []
    PrometheusMetrics(registry).record(SettlementFailed(messages=1))


def _registry_with_ours() -> CollectorRegistry:
    registry = CollectorRegistry()
    PrometheusMetrics(registry)
    return registry
