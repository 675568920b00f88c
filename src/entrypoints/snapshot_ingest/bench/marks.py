"""The marks: what is held to be fast enough, and whether it was."""

from collections.abc import Callable, Iterator, Sequence

from attrs import evolve, frozen

from snapshot_ingest.bench import distance, scale
from snapshot_ingest.bench.case import MARKS_CASE, Cell, Contender
from snapshot_ingest.bench.figures import WORKER, Figures, Measured, ratio
from snapshot_ingest.bench.latency import one_row_like
from snapshot_ingest.bench.results import Results

OURS = (Contender.TRANSIT, Contender.COMPRESSED, Contender.ENVELOPE)
UNCHANGED = "Unchanged texts"
TENANTS = "Tenants"
PROCESSES = "Two processes on two cores"
_CORES = 2
_MOSTLY_UNCHANGED = evolve(MARKS_CASE, unchanged_percent=90)
_HUNDRED = evolve(MARKS_CASE, tenants=100)
_THOUSANDS = evolve(MARKS_CASE, tenants=5_000)
_BASELINE = Contender.BASELINE

UNCHANGED_CELLS = (
    Cell(MARKS_CASE, _BASELINE),
    Cell(_MOSTLY_UNCHANGED, _BASELINE),
    Cell(_MOSTLY_UNCHANGED, Contender.COMPRESSED),
)
TENANTS_CELLS = (
    Cell(_HUNDRED, _BASELINE),
    Cell(_HUNDRED, Contender.TRANSIT),
    Cell(MARKS_CASE, Contender.ENVELOPE),
    Cell(_HUNDRED, Contender.ENVELOPE),
    Cell(_THOUSANDS, Contender.ENVELOPE),
)
PROCESSES_CELLS = tuple(Cell(MARKS_CASE, each, workers=_CORES) for each in OURS)


@frozen
class Mark:
    """One of them. Without a bound it is only said."""

    name: str
    measure: Callable[[Results], float | None]
    at_least: float | None = None
    at_most: float | None = None
    unit: str = "×"

    @property
    def bound(self) -> str:
        """What was asked for, in words."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g} {self.unit}"
        return f"≤ {self.at_most:g} {self.unit}" if self.at_most is not None else ""


@frozen
class Verdict:
    """A mark with what was measured; None where it was not."""

    mark: Mark
    value: float | None

    @property
    def is_met(self) -> bool | None:
        """Whether it was; None where nothing was asked for or measured."""
        mark = self.mark
        if self.value is None or (mark.at_least is None and mark.at_most is None):
            return None
        return (mark.at_least is None or self.value >= mark.at_least) and (
            mark.at_most is None or self.value <= mark.at_most
        )


def verdicts(results: Results, heads: int | None = None) -> Sequence[Verdict]:
    """Every mark on these results."""
    return [Verdict(mark, mark.measure(results)) for mark in all_marks(heads)]


def all_marks(heads: int | None = None) -> Iterator[Mark]:
    """The marks, in the order in which they were set; `heads` adds one that is only said."""
    for contender, bound in zip(OURS, (8, 20, 30), strict=True):
        yield Mark(f"{contender} against the baseline", _against_baseline(contender), bound)
    yield from _of_loads()
    for contender in OURS:
        yield Mark(
            f"{contender}: the worker's CPU against the sum of its bare stages",
            _against_floors(contender),
            at_most=1.25,
        )
    yield Mark(
        "encryption's price: envelope against unencrypted",
        _in_group(
            MARKS_CASE.name,
            Cell(MARKS_CASE, Contender.ENVELOPE),
            Cell(MARKS_CASE, Contender.UNENCRYPTED),
        ),
        0.9,
    )
    for contender in OURS:
        yield Mark(
            f"{contender}: two processes against 2 cores ÷ CPU a message of all processes",
            _cores_kept_busy(contender),
            0.85,
        )
    for contender in OURS:
        yield Mark(
            f"{contender}: 10 ms of round trip to each server against 0 ms",
            _in_group(
                distance.TITLE,
                distance.at_distance(MARKS_CASE, contender, 10),
                distance.at_distance(MARKS_CASE, contender, 0),
            ),
            0.8,
        )
    for contender in OURS:
        yield Mark(
            f"{contender}: p99 latency at half of the top rate against one-row commits",
            _against_one_row(contender),
            at_most=5,
        )
    yield from _of_scale(heads)
    for contender in OURS:
        yield Mark(
            f"{contender}: resident memory at top rate", _memory(contender), at_most=150, unit="MB"
        )


def _of_loads() -> Iterator[Mark]:
    compressed = Cell(_MOSTLY_UNCHANGED, Contender.COMPRESSED)
    yield Mark(
        "90 % unchanged, compressed against the baseline with all changed",
        _in_group(UNCHANGED, compressed, Cell(MARKS_CASE, _BASELINE)),
        45,
    )
    yield Mark(
        "90 % unchanged, compressed against the baseline with 90 % unchanged",
        _in_group(UNCHANGED, compressed, Cell(_MOSTLY_UNCHANGED, _BASELINE)),
    )
    one, hundred, thousands = (
        Cell(case, Contender.ENVELOPE) for case in (MARKS_CASE, _HUNDRED, _THOUSANDS)
    )
    yield Mark("100 tenants, envelope against 1 tenant", _in_group(TENANTS, hundred, one), 0.9)
    yield Mark(
        "5,000 tenants, envelope, data keys warm, against 1 tenant",
        _in_group(TENANTS, thousands, one),
        0.75,
    )
    yield Mark(
        "5,000 tenants, envelope: warming, CPU of all processes a tenant",
        _warming(thousands, lambda run: run.warming.cpu_us / 1000),
        unit="ms",
    )
    yield Mark(
        "5,000 tenants, envelope: warming, altogether",
        _warming(thousands, lambda run: run.warming.seconds),
        unit="s",
    )
    yield Mark(
        "100 tenants, transit against the baseline with 100 tenants",
        _in_group(TENANTS, Cell(_HUNDRED, Contender.TRANSIT), Cell(_HUNDRED, _BASELINE)),
        4,
    )


def _of_scale(heads: int | None) -> Iterator[Mark]:
    few, many = scale.at_scale(scale.FEW), scale.at_scale(scale.MANY)
    yield Mark(
        "cost a message: 1,000,000 devices and 3,000,000 rows against 10,000 devices, CPU",
        _in_group(scale.TITLE, many, few, lambda run: run.cpu_us_of_all),
        at_most=1.6,
    )
    yield Mark("the same, time", _in_group(scale.TITLE, many, few, lambda run: 1 / run.rate))
    if heads is not None:
        title, huge = f"{scale.TITLE}, more heads", scale.at_scale(heads, heads_only=True)
        yield Mark(
            f"cost a message: {heads:,} heads against 10,000 devices, CPU",
            _in_group(title, huge, few, lambda run: run.cpu_us_of_all),
        )
        yield Mark("the same, time", _in_group(title, huge, few, lambda run: 1 / run.rate))


def _rate(run: Figures) -> float:
    return run.rate


def _in_group(
    title: str, these: Cell, those: Cell, figure: Callable[[Figures], float] = _rate
) -> Callable[[Results], float | None]:
    """The figure of the one against that of the other, both measured in turn."""

    def measure(results: Results) -> float | None:
        group = results.group(title)
        this, that = (group.find(these), group.find(those)) if group else (None, None)
        return ratio(this, that, figure) if this and that else None

    return measure


def _against_baseline(contender: Contender) -> Callable[[Results], float | None]:
    return _in_group(MARKS_CASE.name, Cell(MARKS_CASE, contender), Cell(MARKS_CASE, _BASELINE))


def _found(results: Results, title: str, cell: Cell) -> Measured | None:
    group = results.group(title)
    return group.find(cell) if group else None


def _against_floors(contender: Contender) -> Callable[[Results], float | None]:
    def measure(results: Results) -> float | None:
        cell = Cell(MARKS_CASE, contender)
        measured, floors = _found(results, MARKS_CASE.name, cell), results.sum_of_floors(cell)
        return measured.cpu_us[WORKER] / floors if measured and floors else None

    return measure


def _cores_kept_busy(contender: Contender) -> Callable[[Results], float | None]:
    """The rate against what so many cores could do, is the share of them that was busy."""

    def measure(results: Results) -> float | None:
        cell = Cell(MARKS_CASE, contender, workers=_CORES)
        measured = _found(results, PROCESSES, cell)
        return measured.median(lambda run: run.cores_used / _CORES) if measured else None

    return measure


def _against_one_row(contender: Contender) -> Callable[[Results], float | None]:
    def measure(results: Results) -> float | None:
        cell = Cell(MARKS_CASE, contender)
        ours, one_row = results.latency_of(cell), results.latency_of(one_row_like(cell))
        return ours.p99_ms / one_row.p99_ms if ours and one_row else None

    return measure


def _warming(cell: Cell, figure: Callable[[Figures], float]) -> Callable[[Results], float | None]:
    def measure(results: Results) -> float | None:
        measured = _found(results, TENANTS, cell)
        return measured.median(figure) if measured else None

    return measure


def _memory(contender: Contender) -> Callable[[Results], float | None]:
    def measure(results: Results) -> float | None:
        measured = _found(results, MARKS_CASE.name, Cell(MARKS_CASE, contender))
        return measured.peak_mib if measured else None

    return measure
