"""`snapshot-ingest bench` on real servers, as small as it can be: nothing about speed."""

import json
from pathlib import Path
from signal import SIGINT
from typing import Any

import psutil
import pytest

from support.command import finished, processes_of, running
from support.waiting import until

_INTERRUPTED = 130
_QUICK = (
    *("bench", "--bare", "--seconds", "0.05", "--size", "2048", "--format", "envelope"),
    *("--no-framework", "--no-floors", "--no-latency"),
)


@pytest.fixture(scope="module")
async def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("bench")
    files = ("--json", "bench.json", "--plot", "bench.svg")
    cases = ("--unchanged", "0", "--unchanged", "90")
    code, command = await finished(*_QUICK, *cases, *files, folder=folder)
    content: dict[str, Any] = json.loads((folder / "bench.json").read_text("utf-8"))
    # A busy machine makes a void run, which is as good here.
    assert code == int(content["baseline"]["is_void"]), command.stderr
    assert b"no audit log, stream in clear" in command.stdout
    assert (folder / "bench.svg").read_text("utf-8").startswith("<?xml")
    assert processes_of(folder) == []
    return content


def test_it_measures_the_contenders_in_three_rounds_each(report: dict[str, Any]) -> None:
    assert [each["title"] for each in report["groups"]] == [
        "2 KB, 1 tenant, 0 % unchanged",
        "2 KB, 1 tenant, 90 % unchanged",
    ]
    for group in report["groups"]:
        assert [each["contender"] for each in group["measured"]] == ["baseline", "envelope"]
        for each in group["measured"]:
            assert len(each["rounds"]) == 3
            assert each["messages_per_second"] > 0
            assert min(each["cpu_us"].values()) >= 0
            assert each["cpu_us"]["worker"] > 0
            assert each["peak_mib"] > 0
            assert each["ratio_to_baseline"] > 0


def test_it_says_what_was_on(report: dict[str, Any]) -> None:
    assert report["servers"] == {"audited": False, "encrypted": False}
    assert report["is_complete"]


async def test_a_ctrl_c_ends_it_with_all_that_it_started(tmp_path: Path) -> None:
    async with running(*_QUICK, folder=tmp_path) as bench:
        await until(lambda: "1/" in bench.stderr, seconds=60, every_seconds=0.05)
        started = psutil.Process(bench.pid).children(recursive=True)
        assert len(started) > 3
        bench.signal_group(SIGINT)
        assert await bench.ended() == _INTERRUPTED
        assert "Traceback" not in bench.stderr
    assert not [each for each in started if each.is_running()]
