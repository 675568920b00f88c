"""Prometheus' own tool reads our metrics and finds nothing to blame but the four kept names."""

import subprocess

from prometheus_client import CollectorRegistry, generate_latest

from snapshot_prometheus import PrometheusMetrics


def test_promtool_finds_no_fault_with_the_metrics() -> None:
    registry = CollectorRegistry()
    PrometheusMetrics(registry)
    result = subprocess.run(
        ["promtool", "check", "metrics"],
        input=generate_latest(registry),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert result.stderr.decode() == ""
    assert result.returncode == 0


def test_promtool_would_find_a_fault() -> None:
    result = subprocess.run(
        ["promtool", "check", "metrics"],
        input=b"# TYPE things_count counter\nthings_count 1\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert result.returncode != 0
