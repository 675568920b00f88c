"""Whether the baseline was itself: a sluggish one would make every ratio too large."""

from collections.abc import Iterator

from snapshot_ingest.bench.figures import Measured
from snapshot_ingest.bench.results import Results

CORES_AT_LEAST = 0.8
SPREAD_AT_MOST = 1.5
REFERENCE = "333/s; CPU 1950 / 840 / 340 / 140 µs (worker / OpenBao / PostgreSQL / NATS)"
"""What another machine's baseline did, with 16 KB, one tenant and nothing unchanged, bare."""


def reasons_to_void(results: Results) -> list[str]:
    """Why the run counts for nothing; empty if it counts."""
    return [
        f"{group.title}: {reason}"
        for group, baseline in results.baselines
        for reason in _reasons(baseline)
    ]


def _reasons(baseline: Measured) -> Iterator[str]:
    # Where little is encrypted it mostly waits for answers, on the quietest machine.
    if not baseline.cell.case.unchanged_percent and baseline.cores_used < CORES_AT_LEAST:
        yield (
            f"the baseline kept {baseline.cores_used:.2f} cores busy, expected at least "
            f"{CORES_AT_LEAST}: something else slowed it"
        )
    if baseline.spread > SPREAD_AT_MOST:
        yield (
            f"the baseline's rounds differ by a factor of {baseline.spread:.2f}, expected at most "
            f"{SPREAD_AT_MOST}: the machine was not quiet"
        )
