"""Bars and curves of what was measured, as SVG."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snapshot_ingest.bench.case import Case, Cell, Contender
from snapshot_ingest.bench.figures import PROCESSES, Group
from snapshot_ingest.bench.results import Results

_PANEL_INCHES = (9.0, 3.2)


@frozen
class _Axis:
    """What differs between cases along a curve."""

    label: str
    of: Callable[[Case], float]
    is_logarithmic: bool


_AXES = (
    _Axis("bytes of a text", lambda case: case.size_bytes, is_logarithmic=True),
    _Axis("tenants", lambda case: case.tenants, is_logarithmic=True),
    _Axis("% unchanged", lambda case: case.unchanged_percent, is_logarithmic=False),
)


def draw(results: Results, cases: Sequence[Case], path: Path) -> None:
    """Draws the base's bars, and a curve for each thing of which several were measured."""
    base = results.of_case(cases[0])
    if base is None:
        return
    curves = list(_curves(cases))
    panels = 2 + len(curves)
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width, height * panels), layout="constrained")
    rates, cpu, *below = figure.subplots(panels, 1)
    _draw_rates(rates, base)
    _draw_cpu(cpu, base)
    for axes, (axis, along) in zip(below, curves, strict=True):
        _draw_curve(axes, axis, along, results)
    figure.savefig(path, format="svg", metadata={"Date": None})


def _curves(cases: Sequence[Case]) -> Iterator[tuple[_Axis, Sequence[Case]]]:
    """The cases that differ from the base in this alone, in order."""
    base = cases[0]
    for axis in _AXES:
        others = [each for each in _AXES if each is not axis]
        along = [case for case in cases if all(each.of(case) == each.of(base) for each in others)]
        if len(along) > 1:
            yield axis, sorted(along, key=axis.of)


def _draw_rates(axes: Axes, group: Group) -> None:
    names = [each.cell.name for each in group.measured]
    bars = axes.barh(names, [each.rate for each in group.measured])
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.invert_yaxis()
    axes.set_title(group.title, loc="left")
    axes.set_xlabel("messages a second")


def _draw_cpu(axes: Axes, group: Group) -> None:
    names = [each.cell.name for each in group.measured]
    left = [0.0] * len(names)
    for process in PROCESSES:
        values = [each.cpu_us[process] for each in group.measured]
        axes.barh(names, values, left=left, label=process)
        left = [before + value for before, value in zip(left, values, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("µs of processor time a message")
    axes.legend()


def _draw_curve(axes: Axes, axis: _Axis, along: Sequence[Case], results: Results) -> None:
    for contender in Contender:
        points = [
            (axis.of(case), measured.rate)
            for case in along
            if (group := results.of_case(case)) and (measured := group.find(Cell(case, contender)))
        ]
        if len(points) > 1:
            axes.plot(*zip(*points, strict=True), marker="o", label=contender.value)
    if axis.is_logarithmic:
        axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(axis.label)
    axes.set_ylabel("messages a second")
    axes.set_xticks([axis.of(case) for case in along], [f"{axis.of(case):,g}" for case in along])
    axes.minorticks_off()
    axes.legend()
