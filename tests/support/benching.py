"""Results of a bench that never took place."""

from collections.abc import Sequence

from snapshot_ingest.bench.case import Cell
from snapshot_ingest.bench.figures import PROCESSES, Figures, Group, Measured, Warming


def figures(rate: float, *, cpu_us: float = 100.0, peak_mib: float = 100.0) -> Figures:
    """A run at so many messages a second, each of which took so much in every process."""
    return Figures(
        messages=1_000,
        seconds=1_000 / rate,
        cpu_us=dict.fromkeys(PROCESSES, cpu_us),
        peak_mib=peak_mib,
        warming=Warming(messages=5_000, seconds=4.0, cpu_us=2_000.0),
    )


def measured(cell: Cell, rates: Sequence[float], *, cpu_us: float = 100.0) -> Measured:
    """A cell with a run for each of the rates."""
    return Measured(cell, [figures(rate, cpu_us=cpu_us) for rate in rates])


def group(title: str, *cells: Measured) -> Group:
    """A group of these."""
    return Group(title, cells)
