"""What the README shows works as it stands there."""

import asyncio
import re
import tomllib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from snapshot_ingest.settings import Settings
from snapshot_ingest.settings.loading import option_paths
from snapshot_ingest.simulator import Fleet, Simulation
from support.command import running

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
OPERATING = (ROOT / "docs" / "operating.md").read_text()


def block(text: str, language: str) -> str:
    """The first fenced block in that language, without its indentation."""
    match = re.search(rf"^( *)```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    assert match is not None
    indent = match.group(1)
    return "\n".join(line.removeprefix(indent) for line in match.group(2).splitlines())


async def test_the_embedding_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {}
    exec(block(README, "python"), names)  # noqa: S102 - the README's own example
    ingest = cast("Callable[[asyncio.Event], Awaitable[None]]", names["ingest"])
    async with running("up", "--data-dir", tmp_path / "data", folder=tmp_path) as command:
        await command.stack(tmp_path / "data")
        monkeypatch.chdir(tmp_path / "data")
        until_shutdown = asyncio.Event()
        until_shutdown.set()
        await asyncio.wait_for(ingest(until_shutdown), timeout=60)
    assert capsys.readouterr().out == "ready\n"


def test_the_figures_are_those_of_make_run() -> None:
    makefile = (ROOT / "Makefile").read_text()
    devices = re.search(r"^DEVICES \?= (\d+)$", makefile, re.MULTILINE)
    assert devices is not None
    fleet = Fleet(seed=1, device_count=int(devices.group(1)))
    totals = Simulation(fleet, datetime(2026, 4, 2, tzinfo=UTC)).totals()
    shown = dict(re.findall(r"^(\w+) +([\d,]+)  ", block(README, ""), re.MULTILINE))
    shown |= dict(re.findall(r"^(\w+) +([\d,]+)  ", README, re.MULTILINE))
    figures = {name: int(text.replace(",", "")) for name, text in shown.items()}
    assert f"{totals.published:,} snapshots" in README
    assert figures["published"] == totals.published
    assert figures["malformed"] == totals.malformed
    assert figures["orphaned"] == totals.orphaned
    assert figures["stored"] + figures["unchanged"] == totals.stored + totals.unchanged


@pytest.mark.parametrize(
    "link", sorted(set(re.findall(r"\]\(((?!http)[^)#]+)\)", README + OPERATING)))
)
def test_every_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists() or (ROOT / "docs" / link).exists()


def test_the_settings_of_the_operating_page_are_known() -> None:
    def names(section: dict[str, Any], prefix: str = "") -> list[str]:
        return [
            name
            for key, value in section.items()
            for name in (
                names(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]
            )
        ]

    shown = names(tomllib.loads(block(OPERATING, "toml")))
    assert shown
    assert set(shown) <= {path for path, _ in option_paths(Settings)}
