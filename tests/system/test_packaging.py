"""The wheel holds what it should, and each extra alone brings what it promises.

Needs a package index, whichever pip is configured for.
"""

import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]

_BUILD_SECONDS = 120
_INSTALL_SECONDS = 600
_RUN_SECONDS = 120

_PACKAGES = {
    "snapshot_domain",
    *("snapshot_nats", "snapshot_postgres", "snapshot_openbao", "snapshot_prometheus"),
    *("snapshot_json", "snapshot_memory", "snapshot_conformance"),
    "snapshot_ingest",
}
_BASE = ["snapshot_domain", "snapshot_json", "snapshot_memory"]
_STANDALONE = ["snapshot_nats", "snapshot_postgres", "snapshot_openbao", "snapshot_prometheus"]
_PROMISED = {
    "nats": ["snapshot_nats"],
    "postgres": ["snapshot_postgres"],
    "openbao": ["snapshot_openbao"],
    "prometheus": ["snapshot_prometheus"],
    "embed": [*_STANDALONE, "snapshot_ingest.hosting"],
    "cli": [*_STANDALONE, "snapshot_ingest"],
    "stack": ["snapshot_ingest.stack"],
    "testing": ["snapshot_conformance"],
    "bench": [*_STANDALONE, "snapshot_ingest"],
    "all": sorted(_PACKAGES - set(_BASE)),
}
"""What can be imported with each extra; of ours, with all its modules."""

_OF_THE_BENCH = ("snapshot_ingest.bench.", "snapshot_ingest.commands.bench")
"""What is loaded only where the extra `bench` is there, as its names begin."""

_IMPORT_WITH_ALL_MODULES = """
import importlib, pkgutil, sys
left_out = {left_out!r}
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    if not name.startswith("snapshot_"):
        continue
    assert "site-packages" in package.__file__, package.__file__
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if module.name.endswith("__main__") or module.name.startswith(left_out):
            continue
        importlib.import_module(module.name)
"""
_LOCATE_SERVERS = """
from snapshot_ingest.stack import wheels
for program in (wheels.NATS_SERVER, wheels.POSTGRES, wheels.INITDB, wheels.OPENBAO):
    print(wheels.locate(program))
"""


def _importing_all_but(left_out: tuple[str, ...]) -> str:
    """What imports the packages that are its arguments, without the modules named so."""
    return _IMPORT_WITH_ALL_MODULES.format(left_out=left_out)


class _Environment:
    """A virtual environment with nothing in it but what a test installs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        _run(sys.executable, "-m", "venv", "--without-pip", path, seconds=_RUN_SECONDS)
        self.python = path / "bin" / "python"

    def install(self, requirement: str) -> None:
        _run(
            *(sys.executable, "-m", "pip", "--python", self.python, "install"),
            *("--quiet", "--disable-pip-version-check", requirement),
            seconds=_INSTALL_SECONDS,
        )

    def run(self, *command: object) -> "subprocess.CompletedProcess[str]":
        # -I: neither this checkout nor the environment's variables are on the path.
        return _run(self.python, "-I", *command, seconds=_RUN_SECONDS)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs `snapshot-ingest`, whatever it exits with."""
        return subprocess.run(
            [self._path / "bin" / "snapshot-ingest", *arguments],
            capture_output=True,
            text=True,
            timeout=_RUN_SECONDS,
            check=False,
            env={"PATH": "/usr/bin:/bin"},
        )


def _run(*command: object, seconds: int) -> "subprocess.CompletedProcess[str]":
    result = subprocess.run(
        [str(each) for each in command],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        cwd="/",
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it is released."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
        *("--outdir", folder, ROOT),
        seconds=_BUILD_SECONDS,
    )
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    """The names of all files in the wheel."""
    with ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture
def environment(tmp_path: Path) -> _Environment:
    return _Environment(tmp_path / "venv")


def test_the_wheel_holds_the_packages_and_nothing_beside_them(names: list[str]) -> None:
    top_level = {name.partition("/")[0] for name in names}
    [metadata] = top_level - _PACKAGES
    assert metadata.endswith(".dist-info")
    assert top_level == _PACKAGES | {metadata}


def test_the_wheel_holds_every_file_of_the_sources(names: list[str]) -> None:
    sources = {
        str(file.relative_to(parent))
        for parent in (SRC, SRC / "adapters", SRC / "entrypoints")
        for package in _PACKAGES
        for file in (parent / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == sources
    assert {f"{package}/py.typed" for package in _PACKAGES} <= sources
    assert any(name.endswith(".sql") for name in names)


def test_the_wheel_names_its_licence(names: list[str]) -> None:
    assert [name for name in names if name.endswith("/LICENSE")]


def test_the_base_installation_is_the_core_its_decoder_and_its_fakes(
    environment: _Environment, wheel: Path
) -> None:
    environment.install(str(wheel))
    environment.run("-c", _importing_all_but(()), *_BASE)
    environment.run("-c", "import snapshot_ingest")
    ended = environment.command("--help")
    assert ended.returncode == 1
    assert ended.stderr == (
        "snapshot-ingest: typer is not installed; install snapshot-ingest[cli]\n"
    )


@pytest.mark.parametrize("extra", EXTRAS)
def test_each_extra_alone_brings_what_it_promises(
    environment: _Environment, wheel: Path, extra: str
) -> None:
    environment.install(f"{wheel}[{extra}]")
    left_out = () if extra in ("bench", "all") else _OF_THE_BENCH
    environment.run("-c", _importing_all_but(left_out), *_BASE, *_PROMISED[extra])
    if extra in ("stack", "all"):
        environment.run("-c", _LOCATE_SERVERS)
    if extra in ("cli", "all"):
        ended = environment.command("--help")
        assert ended.returncode == 0, ended.stderr
        assert "Usage: snapshot-ingest" in ended.stdout


def test_every_promise_is_of_an_extra_that_exists() -> None:
    assert set(_PROMISED) == set(EXTRAS)
