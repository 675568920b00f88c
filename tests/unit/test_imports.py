"""What is loaded before it is needed would be waited for each time: guarded without a clock."""

import subprocess
import sys

import pytest

_DRIVERS = {"asyncpg", "nats", "hvac", "requests", "cryptography", "zstandard", "prometheus_client"}
_OF_COMMANDS = {"asyncio", "logging", "rich.console", "rich.markdown", "starlette", "uvicorn"}
_OF_THE_BENCH = {"matplotlib", "faststream", "pydantic", "psutil"}
_OF_SETTINGS = {"typed_settings", "msgspec", "punq"}

_LOADED = """
import sys
{statement}
print(*sys.modules)
"""
_HELP = """
from snapshot_ingest.__main__ import main
sys.argv = ["snapshot-ingest", "--help"]
try:
    main()
except SystemExit:
    pass
"""


def _loaded_by(statement: str) -> set[str]:
    told = subprocess.run(
        [sys.executable, "-c", _LOADED.format(statement=statement)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return set(told.stdout.split())


def test_the_domain_loads_nothing_at_all_until_a_part_of_it_is_named() -> None:
    loaded = _loaded_by("import snapshot_domain")
    assert not loaded & ({"attrs", "attr", "asyncio"} | _DRIVERS | _OF_SETTINGS)


@pytest.mark.parametrize("part", ["worker", "ingest", "ports"])
def test_no_part_of_the_domain_loads_more_than_attrs_and_the_standard_library(part: str) -> None:
    loaded = _loaded_by(f"import snapshot_domain.{part}")
    assert not loaded & (_DRIVERS | _OF_SETTINGS | {"typer", "rich", "ssl._ssl", "http.client"})


def test_help_loads_no_driver_and_no_event_loop() -> None:
    loaded = _loaded_by(_HELP)
    assert not loaded & (_DRIVERS | _OF_COMMANDS | _OF_THE_BENCH | _OF_SETTINGS)


def test_a_worker_loads_nothing_of_the_bench_or_of_the_embedded_stack() -> None:
    loaded = _loaded_by("import snapshot_ingest.commands.run")
    assert not loaded & _OF_THE_BENCH
    assert not {name for name in loaded if name.startswith("snapshot_ingest.stack")}
