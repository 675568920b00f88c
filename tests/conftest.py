"""Set-up that all tests share."""

import os

import pytest
from hypothesis import HealthCheck, settings

# Contracts are no test modules: without this their failed assertions would show no values.
pytest.register_assert_rewrite(
    "snapshot_conformance",
    "support.backfill_tests",
    "support.backfill_story",
    "support.uninstall_tests",
)

pytest_plugins = ["pytester"]

settings.register_profile("default", max_examples=100, deadline=None)
settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if os.environ.get("CI") else "default")
