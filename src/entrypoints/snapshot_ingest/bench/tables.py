"""The results as a person reads them."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from snapshot_ingest.bench.figures import PROCESSES, SERVERS, FloorMeasured, Group, Measured, ratio
from snapshot_ingest.bench.results import Results


def tables(results: Results) -> Iterator[Table]:
    """A table a group, and one for each other kind of figure."""
    for group in results.groups:
        yield _of_group(group)
    if results.floors:
        yield _of_floors(results.floors)


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
