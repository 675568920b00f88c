"""The example backend runs as its first lines say, on the embedded servers."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT

from support.command import running
from support.http import fetched, metric
from support.waiting import until, until_true

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "backend.py"
_DEVICES = 20


async def test_the_example_ingests_and_serves_and_stops_in_order(tmp_path: Path) -> None:
    up, variable = _written_in_it()
    assert up == ["up", "--no-worker", "--simulate", str(_DEVICES)]
    async with running(*up, folder=tmp_path) as command:
        await command.stack(tmp_path / "snapshot-ingest-data")
        async with _backend(tmp_path, variable) as url:

            async def has_compared() -> bool:
                compared: int = (await fetched(f"{url}/diffs")).json()["to compare"]
                return compared > 0

            await until_true(has_compared, seconds=60)
            ready = (await fetched(f"{url}/readyz")).json()
            assert ready == {"ready": True, "ingestion": {"ready": True, "faults": {}}}
            assert await metric(f"{url}/ingestion", "config_snapshot_ingested_total") > 0
            assert "Uvicorn running" in (tmp_path / "backend.log").read_text()
        assert "Application shutdown complete" in (tmp_path / "backend.log").read_text()
        command.signal_group(SIGINT)
        assert await command.ended() == 0


def _written_in_it() -> tuple[list[str], str]:
    text = EXAMPLE.read_text()
    up = re.search(r"^    snapshot-ingest (.*)$", text, re.MULTILINE)
    backend = re.search(r"^    (\S+=\S+) uvicorn backend:app$", text, re.MULTILINE)
    assert up is not None
    assert backend is not None
    return up.group(1).split(), backend.group(1)


@asynccontextmanager
async def _backend(folder: Path, variable: str) -> AsyncIterator[str]:
    """Runs it while the block lasts, and gives its address."""
    log = folder / "backend.log"
    process = _started(folder, log, dict([variable.split("=", 1)]))
    try:
        at = re.compile(r"running on (http://\S+)")
        await until(lambda: at.search(log.read_text()) is not None, seconds=60, every_seconds=0.05)
        yield at.findall(log.read_text())[0]
    finally:
        process.send_signal(SIGINT)
        process.wait(timeout=30)


def _started(folder: Path, log: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join([str(EXAMPLE.parent), *filter(None, sys.path)])
    with log.open("wb") as output:
        return subprocess.Popen(
            (sys.executable, "-m", "uvicorn", "backend:app", "--port", "0"),
            cwd=folder,
            stdout=output,
            stderr=output,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": path, **environment},
        )
