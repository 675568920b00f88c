"""What cannot be measured is refused in one clear line, before any server is started."""

import sys
from pathlib import Path

import pytest

from snapshot_ingest.__main__ import main
from snapshot_ingest.bench import options, plan
from snapshot_ingest.bench.case import Case, Contender
from snapshot_ingest.bench.options import (
    BenchOptions,
    cases_of,
    formats_of,
    optional,
    remarks_on_real_texts,
)
from snapshot_ingest.bench.prices import PricesStage
from snapshot_ingest.bench.stages import CellsStage
from snapshot_ingest.bench.world import Servers
from snapshot_ingest.command_errors import UsageError
from snapshot_ingest.commands import bench
from support.unchanged_logging import unchanged_logging

__all__ = ["unchanged_logging"]


@pytest.fixture(autouse=True)
def no_servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was not refused")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "opened_world", refuse)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("--size 0", "--size 0 cannot be used; expected 1024 to 524288 bytes"),
        ("--size 16384 --size 1000000", "--size 1000000 cannot be used"),
        ("--tenants 0", "--tenants 0 cannot be used"),
        ("--unchanged 100", "--unchanged 100 cannot be used; expected 0 to 99 percent"),
        ("--unchanged -1", "--unchanged -1 cannot be used"),
        ("--size 524288 --tenants 50000", "expected a message a tenant in 700 MB of stream"),
        ("--format zip", "--format 'zip' cannot be used; expected transit, compressed, envelope"),
        ("--rounds 1", "--rounds 1 cannot be used; expected at least 3"),
        ("--seconds 0", "--seconds 0 cannot be used"),
        ("--seconds nan", "--seconds nan cannot be used"),
        ("--json no/such/folder.json", "--json 'no/such/folder.json' cannot be used"),
        ("--plot .", "--plot '.' cannot be used"),
        ("--texts .", "--texts '.' cannot be used: it is no folder that holds text"),
        ("--texts nowhere", "--texts 'nowhere' cannot be used"),
        ("--heads 2000000", "--heads without --marks cannot be used"),
        ("--marks --heads 5", "--heads 5 cannot be used"),
    ],
)
def test_it_is_refused_in_one_clear_line(
    arguments: str,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["snapshot-ingest", "bench", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert ended.value.code == 1
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert line in printed.err


def test_it_takes_no_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["snapshot-ingest", "--config", "any.toml", "bench"])
    with pytest.raises(SystemExit):
        main()
    assert "bench makes its own configuration" in capsys.readouterr().err


def test_of_each_the_others_are_tried_with_the_base() -> None:
    assert cases_of([16_384, 2048], [1, 100], [0, 90]) == [
        Case(16_384, 1, 0),
        Case(2048, 1, 0),
        Case(16_384, 100, 0),
        Case(16_384, 1, 90),
    ]


def test_what_is_not_installed_is_left_out_and_said_unless_it_was_asked_for() -> None:
    missing = "no_such_library"
    is_there, said = optional(name="the framework", module=missing, asked=None)
    assert not is_there
    assert said.startswith(f"the framework is left out: {missing} is not installed")
    with pytest.raises(UsageError, match="install snapshot-ingest\\[bench\\]"):
        optional(name="--plot", module=missing, asked=True)
    assert optional(name="the framework", module=missing, asked=False) == (False, "")
    assert optional(name="the framework", module=options.__name__, asked=None) == (True, "")


def test_real_texts_are_in_clear_on_no_stream_and_in_no_database_unless_it_is_bare(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.rsc").write_text("/interface\n")
    stages = plan.stages(asked(tmp_path), Servers(), [])
    (stage,) = [each for each in stages if isinstance(each, PricesStage)]
    assert stage.runs_a_round == 3 * 2
    cells = [cell for each in stages if isinstance(each, CellsStage) for cell in each.cells]
    assert Contender.UNENCRYPTED not in {cell.contender for cell in cells}
    remarks = list(remarks_on_real_texts(tmp_path, bare=False, prices=True, marks=True))
    assert len(remarks) == 2
    (bare,) = remarks_on_real_texts(tmp_path, bare=True, prices=True, marks=False)
    assert "in clear" in bare


def asked(texts: Path) -> BenchOptions:
    return BenchOptions(
        cases=cases_of([16_384], [1], [0]),
        formats=formats_of([]),
        bare=False,
        rounds=3,
        seconds=2.0,
        framework=False,
        floors=True,
        latency=True,
        prices=True,
        marks=True,
        heads=None,
        texts=texts,
        json=None,
        plot=None,
        remarks=[],
    )
