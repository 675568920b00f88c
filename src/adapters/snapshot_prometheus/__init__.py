"""Metrics for Prometheus."""

from snapshot_prometheus.errors import MetricNameTaken
from snapshot_prometheus.metrics import PrometheusMetrics

__all__ = ["MetricNameTaken", "PrometheusMetrics"]
