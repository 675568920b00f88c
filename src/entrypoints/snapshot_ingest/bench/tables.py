"""The results as a person reads them."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from snapshot_ingest.bench import marks, prices
from snapshot_ingest.bench.figures import (
    PROCESSES,
    SERVERS,
    FloorMeasured,
    Group,
    LatencyMeasured,
    Measured,
    ratio,
)
from snapshot_ingest.bench.options import BenchOptions
from snapshot_ingest.bench.results import Results


def tables(options: BenchOptions, results: Results) -> Iterator[Table]:
    """A table a group, and one for each other kind of figure."""
    for group in results.groups:
        yield _of_group(group)
        if group.title == prices.TITLE:
            yield _of_prices(group)
    if results.floors:
        yield _of_floors(results.floors)
    if results.latencies:
        yield _of_latencies(results.latencies)
    if options.marks:
        yield _of_marks(marks.verdicts(results, options.heads), is_bare=options.bare)


def new_table(title: str, *columns: str) -> Table:
    """A table of figures, whose first column names them."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _of_group(group: Group) -> Table:
    several_cases = len({each.cell.case for each in group.measured}) > 1
    table = new_table(
        group.title,
        "",
        "messages/s",
        "× baseline",
        *(f"{name} µs" for name in PROCESSES),
        "all µs",
        "cores",
        "peak MB",
    )
    for each in group.measured:
        name = f"{each.cell.case.name}: {each.cell.name}" if several_cases else each.cell.name
        table.add_row(name, *_row(group, each))
    return table


def _row(group: Group, each: Measured) -> Iterator[str]:
    baseline = group.baseline_of(each.cell)
    yield f"{each.rate:,.0f}"
    yield f"{ratio(each, baseline):.1f}" if baseline else ""
    for name in PROCESSES:
        yield f"{each.cpu_us[name]:,.0f}"
    yield f"{each.cpu_us_of_all:,.0f}"
    yield f"{each.cores_used:.2f}"
    yield f"{each.peak_mib:,.0f}"


def _of_floors(floors: Sequence[FloorMeasured]) -> Table:
    table = new_table(
        f"Bare stages: {floors[0].case.name}",
        "",
        "messages/s",
        "its process µs",
        *(f"{name} µs" for name in SERVERS),
    )
    for each in floors:
        figures = [f"{each.cpu_us[name]:,.0f}" for name in PROCESSES]
        table.add_row(each.floor.value, f"{each.rate:,.0f}", *figures)
    return table


def _of_latencies(latencies: Sequence[LatencyMeasured]) -> Table:
    table = new_table(
        "From publication to commit, at half of the top rate",
        "",
        "messages/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "the last after s",
    )
    for each in latencies:
        figures = [f"{value:,.1f}" for value in (each.p50_ms, each.p99_ms, each.max_ms)]
        table.add_row(each.cell.name, f"{each.rate:,.0f}", *figures, f"{each.behind_seconds:.2f}")
    return table


def _of_prices(group: Group) -> Table:
    table = new_table("What they cost", "", "times as fast with it", "CPU µs more, all processes")
    for price in prices.prices(group):
        table.add_row(
            f"{price.contender}: {price.part}",
            f"{price.times_as_fast:.2f}",
            f"{price.cpu_us_more:+,.0f}",
        )
    return table


def _of_marks(verdicts: Sequence[marks.Verdict], *, is_bare: bool) -> Table:
    title = "Marks" if is_bare else "Marks, which are set for --bare"
    table = new_table(title, "", "measured", "asked for", "")
    for each in verdicts:
        value = "not measured" if each.value is None else f"{each.value:,.2f} {each.mark.unit}"
        met = {True: "met", False: "NOT MET", None: ""}[each.is_met]
        table.add_row(each.mark.name, value, each.mark.bound, met)
    return table
