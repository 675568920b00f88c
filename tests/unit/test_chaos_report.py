"""The report on chaos says each thing that is wrong, by name, and counts only faults that bit."""

from pathlib import Path

import pytest
from attrs import evolve

from chaos.plan import plan_of
from chaos.report import Marks, Report
from chaos.striker import FaultRecord
from chaos.verdict import Verdict
from chaos.workers import figures_in

_FAULTS = [
    FaultRecord(strike, 5, 80.0, 0.5, 2.0 + number) for number, strike in enumerate(plan_of(1, 3))
]
_MARKS = Marks(messages=100, faults=3, kinds=2)
GOOD = Report(
    verdict=Verdict(published=100, stored=60, unchanged=38, quarantined=2),
    faults=_FAULTS,
    plaintext=[],
    unsettled=0,
    drained_seconds=3.0,
    exit_codes=[0, 0, 0],
    repeats=1,
    seconds=90.0,
)


def test_a_good_run_has_no_failures_and_a_table_of_all_figures() -> None:
    assert not list(GOOD.failures(_MARKS))
    table = "\n".join(GOOD.lines())
    for figure in ("100", "60", "38", _FAULTS[0].strike.name, "2.0", "4.0"):
        assert figure in table


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (evolve(GOOD, verdict=Verdict(published=99)), "only 99 messages"),
        (evolve(GOOD, verdict=Verdict(published=100, lost=["seven"])), "lost: seven"),
        (evolve(GOOD, verdict=Verdict(published=100, duplicated=["two"])), "duplicated: two"),
        (evolve(GOOD, verdict=Verdict(published=100, unexplained=["odd"])), "never published: odd"),
        (evolve(GOOD, verdict=Verdict(published=100, misplaced=["run"])), "of place: run"),
        (evolve(GOOD, plaintext=[Path("wal/1")]), "plaintext in: wal/1"),
        (evolve(GOOD, unsettled=4), "4 messages were never settled"),
        (evolve(GOOD, unsettled=None), "no consumer"),
        (evolve(GOOD, exit_codes=[0, -9, 0]), "-9"),
        (evolve(GOOD, faults=_FAULTS[:2]), "only 2 faults counted"),
        (evolve(GOOD, faults=[_FAULTS[0]] * 3), "fewer than 2 kinds"),
        (
            evolve(GOOD, faults=[*_FAULTS, evolve(_FAULTS[0], recovery_seconds=None)]),
            "nothing after",
        ),
    ],
)
def test_whatever_is_wrong_is_said(bad: Report, words: str) -> None:
    [failure] = bad.failures(_MARKS)
    assert words in failure


def test_of_many_names_only_the_first_are_said() -> None:
    lost = [f"message {number}" for number in range(1_000)]
    failures = list(evolve(GOOD, verdict=Verdict(published=1_000, lost=lost)).failures(_MARKS))
    assert len(failures) == 21
    assert failures[-1] == "lost: 980 more"


@pytest.mark.parametrize(
    "missed",
    [
        evolve(_FAULTS[0], in_flight=0),
        evolve(_FAULTS[0], per_second_before=0.0),
        evolve(_FAULTS[0], recovery_seconds=None),
    ],
)
def test_a_fault_counts_only_in_the_middle_of_work_that_goes_on_afterwards(
    missed: FaultRecord,
) -> None:
    assert _FAULTS[0].counts
    assert not missed.counts


def test_the_figures_of_a_worker_leave_out_what_comes_again() -> None:
    metrics = """\
# HELP snapshot_ingest_in_flight_messages Messages in hand now.
snapshot_ingest_in_flight_messages 12.0
snapshot_ingest_outcomes_total{outcome="stored"} 5.0
snapshot_ingest_outcomes_total{outcome="orphan"} 2.0
snapshot_ingest_outcomes_total{outcome="unavailable"} 70.0
"""
    assert figures_in(metrics) == (12, 7)
    assert figures_in("") == (0, 0)
