"""What the README shows works as it stands there."""

import asyncio
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGINT
from typing import Any

import httpx
import pytest

from snapshot_ingest.settings import Settings
from snapshot_ingest.settings.loading import ENV_PREFIX, option_paths
from snapshot_ingest.simulator import Fleet, Simulation
from support.command import finished, running
from support.waiting import until_true

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
OPERATING = (ROOT / "docs" / "operating.md").read_text()


def block(text: str, language: str) -> str:
    """The first fenced block in that language, without its indentation."""
    match = re.search(rf"^( *)```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    assert match is not None
    indent = match.group(1)
    return "\n".join(line.removeprefix(indent) for line in match.group(2).splitlines())


async def test_the_embedding_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {}
    async with running("up", "--data-dir", tmp_path / "data", folder=tmp_path) as command:
        await command.stack(tmp_path / "data")
        monkeypatch.chdir(tmp_path / "data")
        exec(block(README, "python"), names)  # noqa: S102 - the README's own example
        app = names["app"]
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host") as client,
        ):
            await until_true(lambda: _is_ready(client))


async def _is_ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/ingestion/readyz")).status_code == 200


async def test_ones_own_files_are_shown_by_what_stands_there_in_that_order(tmp_path: Path) -> None:
    written = re.findall(r"^\$ \.venv/bin/snapshot-ingest (.*?)(?: +#.*)?$", README, re.MULTILINE)
    up, status, which, show = (line.split() for line in written[:4])
    folder = tmp_path / "path" / "to" / "configs"
    folder.mkdir(parents=True)
    (folder / "r1.rsc").write_text("/system identity set name=r1\n")
    async with running(*up, folder=tmp_path) as command:
        await command.stack(tmp_path / "snapshot-ingest-data")
        await _until_stored(tmp_path, status)
        code, listed = await finished(*which, folder=tmp_path)
        assert code == 0, listed.stderr
        device, path = listed.stdout.decode().split()
        assert path == "path/to/configs/r1.rsc"
        assert show.pop() == "DEVICE"
        code, shown = await finished(*show, device, folder=tmp_path)
        assert (code, shown.stdout) == (0, b"/system identity set name=r1\n"), shown.stderr
        command.signal_group(SIGINT)
        assert await command.ended() == 0


async def _until_stored(folder: Path, status: list[str]) -> None:
    async with asyncio.timeout(60):
        code, said = await finished(*status, folder=folder)
        while b"stored       1" not in said.stdout:
            assert code == 0, said.stderr
            code, said = await finished(*status, folder=folder)


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

    known = {path for path, _ in option_paths(Settings)}
    shown = names(tomllib.loads(block(OPERATING, "toml")))
    assert shown
    assert set(shown) <= known
    variables = set(re.findall(rf"{ENV_PREFIX}\w+", OPERATING))
    assert variables
    assert variables <= {ENV_PREFIX + path.upper().replace(".", "_") for path in known}


def test_the_extras_that_are_named_are_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {
        extra
        for extras in re.findall(r"(?:snapshot-ingest|/it)\[([\w,]+)\]", README + OPERATING)
        for extra in extras.split(",")
    }
    assert named
    assert named <= set(project["optional-dependencies"])
