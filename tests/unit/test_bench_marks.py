"""Medians, ratios, the baseline's verdict, and the marks: arithmetic on made-up results."""

import pytest

from snapshot_ingest.bench import marks
from snapshot_ingest.bench.case import MARKS_CASE, Case, Cell, Contender
from snapshot_ingest.bench.figures import (
    PROCESSES,
    FloorFigures,
    FloorMeasured,
    LatencyFigures,
    LatencyMeasured,
    ratio,
)
from snapshot_ingest.bench.floors.order import FLOORS_OF
from snapshot_ingest.bench.latency import one_row_like
from snapshot_ingest.bench.marks import Mark, Verdict, verdicts
from snapshot_ingest.bench.measuring import STREAM_BYTES_AT_MOST, in_turn, messages_for
from snapshot_ingest.bench.results import Results
from snapshot_ingest.bench.verdict import reasons_to_void
from support.benching import group, measured

BASELINE = Cell(MARKS_CASE, Contender.BASELINE)
TRANSIT = Cell(MARKS_CASE, Contender.TRANSIT)


class Notes:
    """What was said on the way."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, what: str) -> None:
        self.lines.append(what)

    def begun(self, name: str) -> None:
        self.lines.append(name)

    def ended(self, outcome: str) -> None:
        self.lines.append(outcome)


def verdict_of(results: Results, name: str) -> Verdict:
    (found,) = [each for each in verdicts(results) if each.mark.name == name]
    return found


async def test_everything_is_run_in_turn_and_told_of() -> None:
    ran: list[str] = []

    async def run(name: str) -> int:
        ran.append(name)
        return len(ran)

    notes = Notes()
    results = await in_turn(
        {"a": lambda: run("a"), "b": lambda: run("b")},
        3,
        notes,
        named=lambda key: f"run {key}",
        said=lambda result: f"got {result}",
    )
    assert ran == ["a", "b"] * 3
    assert results == {"a": [1, 3, 5], "b": [2, 4, 6]}
    assert notes.lines[:4] == ["run a", "got 1", "run b", "got 2"]


@pytest.mark.parametrize(
    ("rate", "size", "expected"),
    [
        (1_000, 2048, 2_000),
        (1, 2048, 50),
        (10**9, 2048, STREAM_BYTES_AT_MOST // 2048),
    ],
)
def test_a_run_is_as_long_as_the_rate_says_and_the_stream_allows(
    rate: float, size: int, expected: int
) -> None:
    assert messages_for(rate, 2.0, size) == expected


def test_each_figure_is_the_median_of_the_rounds() -> None:
    seen = measured(BASELINE, [100, 900, 200])
    assert seen.rate == pytest.approx(200)
    assert seen.cores_used == pytest.approx(200 * 400e-6)
    assert seen.spread == pytest.approx(9)


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    ours, baseline = measured(TRANSIT, [1_000, 500, 1_200]), measured(BASELINE, [100, 50, 100])
    assert ratio(ours, baseline) == pytest.approx(10)


@pytest.mark.parametrize(
    ("rates", "cpu_us", "reasons"),
    [
        ([333, 340, 330], 800, 0),
        ([200, 210, 220], 800, 1),
        ([300, 333, 500], 800, 1),
        ([100, 110, 220], 800, 2),
    ],
)
def test_a_sluggish_baseline_voids_the_run(rates: list[float], cpu_us: float, reasons: int) -> None:
    results = Results([group(MARKS_CASE.name, measured(BASELINE, rates, cpu_us=cpu_us))])
    assert len(reasons_to_void(results)) == reasons


def test_a_baseline_that_mostly_waits_is_not_sluggish() -> None:
    waiting = Cell(Case(unchanged_percent=90), Contender.BASELINE)
    results = Results([group("any", measured(waiting, [500, 510, 520], cpu_us=250))])
    assert not reasons_to_void(results)


def test_marks_without_figures_are_not_measured() -> None:
    assert all(each.value is None and each.is_met is None for each in verdicts(Results(), 10**7))


@pytest.mark.parametrize(
    ("mark", "value", "is_met"),
    [
        (Mark("least", lambda _: None, 8), 8.0, True),
        (Mark("least", lambda _: None, 8), 7.99, False),
        (Mark("most", lambda _: None, at_most=5), 5.0, True),
        (Mark("most", lambda _: None, at_most=5), 5.01, False),
        (Mark("said", lambda _: None), 1.0, None),
        (Mark("least", lambda _: None, 8), None, None),
    ],
)
def test_a_mark_is_met_within_its_bound(
    mark: Mark,
    value: float | None,
    is_met: bool | None,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert Verdict(mark, value).is_met is is_met


def test_a_format_is_held_against_the_baseline_of_its_own_rounds() -> None:
    results = Results(
        [
            group("another", measured(BASELINE, [1, 1, 1])),
            group(
                MARKS_CASE.name,
                measured(BASELINE, [100, 50, 100]),
                measured(TRANSIT, [800, 400, 700]),
            ),
        ]
    )
    verdict = verdict_of(results, "transit against the baseline")
    assert verdict.value == pytest.approx(8)
    assert verdict.is_met


def test_mostly_unchanged_texts_are_held_against_both_baselines_and_each_is_said() -> None:
    all_changed, unchanged, ours = marks.UNCHANGED_CELLS
    results = Results(
        [
            group(
                marks.UNCHANGED,
                measured(all_changed, [100] * 3),
                measured(unchanged, [400] * 3),
                measured(ours, [5_000] * 3),
            )
        ]
    )
    first = verdict_of(results, "90 % unchanged, compressed against the baseline with all changed")
    second = verdict_of(
        results, "90 % unchanged, compressed against the baseline with 90 % unchanged"
    )
    assert first.value == pytest.approx(50)
    assert first.is_met is True
    assert second.value == pytest.approx(12.5)
    assert second.is_met is None


def test_a_worker_is_held_against_the_sum_of_the_bare_stages_of_its_format() -> None:
    stages = FLOORS_OF[Contender.TRANSIT]
    run = FloorFigures(messages=100, seconds=1.0, cpu_us=dict.fromkeys(PROCESSES, 25.0))
    results = Results(
        [group(MARKS_CASE.name, measured(TRANSIT, [1_000] * 3, cpu_us=150))],
        floors=[FloorMeasured(MARKS_CASE, stage, [run] * 3) for stage in stages],
    )
    name = "transit: the worker's CPU against the sum of its bare stages"
    assert verdict_of(results, name).value == pytest.approx(150 / (25 * len(stages)))
    results.floors.pop()
    assert verdict_of(results, name).value is None


def test_two_processes_are_held_against_what_two_cores_could_do() -> None:
    (cell, *_) = marks.PROCESSES_CELLS
    # 4 processes of 100 µs each: two cores could do 5,000 a second.
    results = Results([group(marks.PROCESSES, measured(cell, [4_500] * 3))])
    name = "transit: two processes against 2 cores ÷ CPU a message of all processes"
    assert verdict_of(results, name).value == pytest.approx(0.9)


def test_latency_is_held_against_one_row_commits_at_the_same_rate() -> None:
    def latencies(cell: Cell, milliseconds: float) -> LatencyMeasured:
        seconds = [milliseconds / 1000] * 200
        return LatencyMeasured(cell, 500.0, [LatencyFigures.of(seconds, 0.1)] * 3)

    results = Results(latencies=[latencies(TRANSIT, 30), latencies(one_row_like(TRANSIT), 10)])
    name = "transit: p99 latency at half of the top rate against one-row commits"
    verdict = verdict_of(results, name)
    assert verdict.value == pytest.approx(3)
    assert verdict.is_met is True


def test_percentiles_are_those_of_the_latencies() -> None:
    seen = LatencyFigures.of([milliseconds / 1000 for milliseconds in range(1, 1_001)], 0.0)
    assert seen.messages == 1_000
    assert seen.p50_ms == pytest.approx(500.5)
    assert seen.p99_ms == pytest.approx(990, abs=1)
    assert seen.max_ms == pytest.approx(1_000)
