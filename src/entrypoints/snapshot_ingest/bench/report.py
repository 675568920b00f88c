"""The results as plain values, for JSON."""

import os
import platform
from collections.abc import Iterator
from typing import Any

from attrs import asdict

from snapshot_ingest.bench.case import Case, Cell
from snapshot_ingest.bench.figures import (
    Figures,
    FloorMeasured,
    Group,
    LatencyMeasured,
    Measured,
    ratio,
)
from snapshot_ingest.bench.marks import Verdict, verdicts
from snapshot_ingest.bench.options import BenchOptions
from snapshot_ingest.bench.prices import TITLE as PRICES
from snapshot_ingest.bench.prices import Price, prices
from snapshot_ingest.bench.results import Results
from snapshot_ingest.bench.verdict import REFERENCE, reasons_to_void
from snapshot_ingest.bench.world import Servers


def report(options: BenchOptions, servers: Servers, results: Results) -> dict[str, Any]:
    """Everything that was measured, with every round."""
    void = reasons_to_void(results)
    return {
        "machine": {
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
        },
        "servers": asdict(servers),
        "texts": "a folder's" if options.texts else "the simulator's",
        "is_complete": results.is_complete,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "remarks": list(options.remarks),
        "baseline": {"is_void": bool(void), "reasons": void, "reference": REFERENCE},
        "groups": [_group(group) for group in results.groups],
        "floors": [_floor(each) for each in results.floors],
        "latencies": [_latency(each) for each in results.latencies],
        "prices": [asdict(each) for group in results.groups for each in _prices(group)],
        "marks": [_mark(each) for each in verdicts(results, options.heads)]
        if options.marks
        else [],
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "title": group.title,
        "measured": [_measured(group, each) for each in group.measured],
    }


def _measured(group: Group, each: Measured) -> dict[str, Any]:
    baseline = group.baseline_of(each.cell)
    return {
        **cell_values(each.cell),
        "messages_per_second": round(each.rate, 1),
        "ratio_to_baseline": round(ratio(each, baseline), 3) if baseline else None,
        "cpu_us": {name: round(value, 1) for name, value in each.cpu_us.items()},
        "cpu_us_of_all": round(each.cpu_us_of_all, 1),
        "cores_used": round(each.cores_used, 3),
        "peak_mib": round(each.peak_mib, 1),
        "rounds": [_figures(run) for run in each.runs],
    }


def _floor(each: FloorMeasured) -> dict[str, Any]:
    return {
        "case": _case(each.case),
        "stage": each.floor.value,
        "messages_per_second": round(each.rate, 1),
        "cpu_us": {name: round(value, 1) for name, value in each.cpu_us.items()},
        "rounds": [asdict(run) for run in each.runs],
    }


def _latency(each: LatencyMeasured) -> dict[str, Any]:
    return {
        **cell_values(each.cell),
        "messages_per_second": round(each.rate, 1),
        "p50_ms": round(each.p50_ms, 3),
        "p99_ms": round(each.p99_ms, 3),
        "max_ms": round(each.max_ms, 3),
        "rounds": [asdict(run) for run in each.runs],
    }


def _prices(group: Group) -> Iterator[Price]:
    return prices(group) if group.title == PRICES else iter(())


def _mark(verdict: Verdict) -> dict[str, Any]:
    mark = verdict.mark
    return {
        "name": mark.name,
        "measured": verdict.value,
        "unit": mark.unit,
        "at_least": mark.at_least,
        "at_most": mark.at_most,
        "is_met": verdict.is_met,
    }


def cell_values(cell: Cell) -> dict[str, Any]:
    """What the cell is."""
    return {
        "case": _case(cell.case),
        "contender": cell.contender.value,
        "workers": cell.workers,
        "remark": cell.remark,
    }


def _case(case: Case) -> dict[str, Any]:
    return {"name": case.name, **asdict(case)}


def _figures(run: Figures) -> dict[str, Any]:
    return {**asdict(run), "messages_per_second": run.rate, "cores_used": run.cores_used}
