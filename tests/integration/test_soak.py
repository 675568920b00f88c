"""A soak in small: after a fault a worker process takes no more than before."""

from datetime import timedelta
from pathlib import Path

from snapshot_ingest.stack import EmbeddedStack
from soak.__main__ import is_flat, lines_of
from soak.faults import FAULTS
from soak.soaking import Plan, soak

_FAULTS = [fault for fault in FAULTS if fault.name == "OpenBao is killed"]


async def test_after_a_fault_a_worker_takes_no_more_than_before(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    plan = Plan(
        lasts=timedelta(seconds=12),
        warm_up=timedelta(seconds=6),
        calm=timedelta(seconds=4),
        a_second=20,
        faults=_FAULTS,
    )
    soaked = await soak(plan, stack, tmp_path)
    assert soaked.faults.total() >= 1
    assert soaked.acknowledged.total() > 100
    assert is_flat(soaked.samples), "\n".join(lines_of(soaked))
    assert soaked.exit_code == 0
