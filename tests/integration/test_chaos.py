"""Chaos, small: real servers and worker processes under a seeded plan, and nothing is lost."""

from pathlib import Path

from chaos.plan import plan_of
from chaos.report import Marks
from chaos.story import Story, run

_SEED = 7  # its nine faults are quick, and the last is the hardest: see the plan
_FAULTS = 9
_MESSAGES = 2_500


async def test_whatever_fails_nothing_is_lost_or_stored_twice_or_readable(tmp_path: Path) -> None:
    story = Story(_SEED, plan_of(_SEED, _FAULTS), _MESSAGES, per_second=50, devices=60)
    report = await run(story, tmp_path)
    table = "\n".join(report.lines())
    assert not list(report.failures(Marks(_MESSAGES, faults=8, kinds=6))), table
    assert min(report.verdict.stored, report.verdict.unchanged, report.verdict.quarantined) > 0
