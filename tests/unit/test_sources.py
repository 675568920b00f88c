"""What the tests import is what lies in src, not an installed copy of it."""

import importlib
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
PACKAGES = {
    folder.name: folder
    for parent in (SRC, SRC / "adapters", SRC / "entrypoints")
    for folder in parent.iterdir()
    if (folder / "__init__.py").is_file()
}


def test_the_packages_are_the_core_seven_adapters_and_the_entrypoint() -> None:
    assert set(PACKAGES) == {
        "snapshot_domain",
        *("snapshot_nats", "snapshot_postgres", "snapshot_openbao", "snapshot_prometheus"),
        *("snapshot_json", "snapshot_memory", "snapshot_conformance"),
        "snapshot_ingest",
    }


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_is_imported_from_the_sources(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).parent == PACKAGES[name]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_says_that_it_is_typed(name: str) -> None:
    assert (PACKAGES[name] / "py.typed").is_file()
