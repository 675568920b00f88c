"""What a bench writes: one JSON object with every round, tables, and a drawing."""

import json
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from snapshot_ingest.bench.case import Case, Cell, Contender
from snapshot_ingest.bench.figures import (
    PROCESSES,
    FloorFigures,
    FloorMeasured,
    LatencyFigures,
    LatencyMeasured,
)
from snapshot_ingest.bench.floors.order import Floor
from snapshot_ingest.bench.options import BenchOptions, cases_of, formats_of
from snapshot_ingest.bench.plot import draw
from snapshot_ingest.bench.prices import TITLE as PRICES
from snapshot_ingest.bench.prices import prices
from snapshot_ingest.bench.report import report
from snapshot_ingest.bench.results import Results
from snapshot_ingest.bench.tables import tables
from snapshot_ingest.bench.world import Servers
from support.benching import group, measured

SIZES = (2048, 16_384)


def options(*, marks: bool = True) -> BenchOptions:
    return BenchOptions(
        cases=cases_of(SIZES, [1], [0]),
        formats=formats_of([]),
        bare=True,
        rounds=3,
        seconds=2.0,
        framework=False,
        floors=True,
        latency=True,
        prices=False,
        marks=marks,
        heads=None,
        texts=None,
        json=None,
        plot=None,
        remarks=[],
    )


@pytest.fixture
def results() -> Results:
    contenders = (Contender.BASELINE, Contender.ENVELOPE)
    floor = FloorFigures(messages=100, seconds=0.1, cpu_us=dict.fromkeys(PROCESSES, 25.0))
    case = Case(SIZES[0])
    return Results(
        groups=[
            group(
                each.name,
                *(
                    measured(Cell(each, contender), [300 * (place * 29 + 1)] * 3, cpu_us=700)
                    for place, contender in enumerate(contenders)
                ),
            )
            for each in map(Case, SIZES)
        ],
        floors=[FloorMeasured(case, Floor.ZSTD, [floor] * 3)],
        latencies=[
            LatencyMeasured(
                Cell(case, Contender.ENVELOPE), 500.0, [LatencyFigures.of([0.001, 0.002], 0.0)] * 3
            )
        ],
    )


def test_the_report_is_json_and_has_every_round(results: Results) -> None:
    written = json.loads(
        json.dumps(report(options(), Servers(audited=False, encrypted=False), results))
    )
    assert written["servers"] == {"audited": False, "encrypted": False}
    assert not written["baseline"]["is_void"]
    first = written["groups"][0]
    assert [each["contender"] for each in first["measured"]] == ["baseline", "envelope"]
    envelope = first["measured"][1]
    assert envelope["ratio_to_baseline"] == pytest.approx(30)
    assert set(envelope["cpu_us"]) == set(PROCESSES)
    assert len(envelope["rounds"]) == 3
    assert written["floors"][0]["stage"] == "zstd"
    assert written["latencies"][0]["p99_ms"] == pytest.approx(1.99)
    met = {each["name"]: each["is_met"] for each in written["marks"]}
    assert met["envelope against the baseline"]
    assert met["transit against the baseline"] is None


def test_the_tables_say_ratios_processes_and_marks(results: Results) -> None:
    written = StringIO()
    console = Console(width=160, file=written)
    for table in tables(options(), results):
        console.print(table)
    text = written.getvalue()
    for expected in (Case(SIZES[0]).name, "30.0", "OpenBao µs", "zstd", "p99 ms", "not measured"):
        assert expected in text


def test_what_audit_log_and_encryption_cost_is_a_ratio_and_a_difference() -> None:
    case = Case()
    parts = {Servers(): 500, Servers(audited=False): 1_000, Servers(encrypted=False): 600}
    seen = group(
        PRICES,
        *(
            measured(Cell(case, Contender.TRANSIT, remark=servers.name), [rate] * 3)
            for servers, rate in parts.items()
        ),
    )
    assert {each.part: each.times_as_fast for each in prices(seen)} == {
        "audit log": pytest.approx(0.5),
        "stream encryption": pytest.approx(5 / 6),
    }


def test_the_drawing_is_svg_with_bars_and_a_curve(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "bench.svg"
    draw(results, options().cases, path)
    drawing = ET.fromstring(path.read_text("utf-8"))  # noqa: S314 - we have just written it
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    axes = [each for each in drawing.iter() if str(each.get("id", "")).startswith("axes_")]
    assert len(axes) == 3
