"""What is loaded before it is needed would be waited for each time: guarded without a clock.

Two of the marks for speed compare a start with that of the libraries it stands on. So these
tests do too: whatever is loaded beyond them is named here, and anything else is one too many.
"""

import pkgutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec

import snapshot_domain

# Of the standard library, what the domain computes with.
_BASE_OF_DOMAIN = "import attrs, asyncio, bisect, datetime, hashlib, hmac, random, secrets, uuid"
# The process forbids core dumps before it loads anything that could know a secret.
_BASE_OF_HELP = "import typer, rich, ctypes, resource"
_PARTS_OF_HELP = {
    "snapshot_domain",
    "snapshot_domain.errors",
    "snapshot_ingest",
    "snapshot_ingest.__main__",
    "snapshot_ingest.cli",
    "snapshot_ingest.command_errors",
    "snapshot_ingest.core_dumps",
    "snapshot_ingest.exit_codes",
}
_DRIVERS = {"asyncpg", "nats", "hvac", "requests", "cryptography", "zstandard", "prometheus_client"}
_OF_SERVING = {"starlette", "uvicorn"}
_OF_SETTINGS = {"typed_settings", "msgspec", "punq"}
_OF_COMMANDS = {"asyncio", "logging", "ssl", "http.client", "rich.console", "rich.markdown"}
_OF_THE_BENCH = {"matplotlib", "faststream", "pydantic", "psutil", "numpy"}
_OF_TESTS = {"pytest", "hypothesis", "snapshot_memory", "snapshot_conformance"}
_OF_OPERATORS = {"snapshot_domain.replay", "snapshot_domain.rotation", "snapshot_domain.shredding"}
_OF_OTHER_COMMANDS = {
    "typer",
    "rich",
    "snapshot_ingest.bench",
    "snapshot_ingest.cli",
    "snapshot_ingest.embedded",
    "snapshot_ingest.operator",
    "snapshot_ingest.own_stream",
    "snapshot_ingest.poller",
    "snapshot_ingest.quarantine",
    "snapshot_ingest.simulator",
    "snapshot_ingest.stack",
}
_NOT_OF_HELP = _DRIVERS | _OF_SERVING | _OF_SETTINGS | _OF_COMMANDS | _OF_THE_BENCH | _OF_TESTS
_NOT_OF_A_WORKER = _OF_THE_BENCH | _OF_TESTS | _OF_OTHER_COMMANDS

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
    return set(told.stdout.splitlines()[-1].split())


def _of(package: str, names: Iterable[str]) -> set[str]:
    return {name for name in names if name == package or name.startswith(f"{package}.")}


def _parts_of_the_domain() -> list[str]:
    walked = pkgutil.walk_packages(snapshot_domain.__path__, "snapshot_domain.")
    return [part.name for part in walked]


def test_the_domain_loads_nothing_at_all_until_a_part_of_it_is_named() -> None:
    assert _loaded_by("import snapshot_domain") - _loaded_by("pass") == {"snapshot_domain"}


def test_no_part_of_the_domain_loads_more_than_attrs_the_loop_and_what_it_computes_with() -> None:
    parts = _parts_of_the_domain()
    assert {"snapshot_domain.worker", "snapshot_domain.ingest"} <= set(parts)
    loaded = _loaded_by(f"import {', '.join(parts)}")
    assert loaded - _loaded_by(_BASE_OF_DOMAIN) == _of("snapshot_domain", loaded)


def test_a_worker_of_the_domain_loads_nothing_of_what_only_operators_do() -> None:
    loaded = _loaded_by("import snapshot_domain.worker")
    assert not loaded & _OF_OPERATORS


def test_help_loads_no_more_than_the_parser_and_the_descriptions_of_the_commands() -> None:
    loaded = _loaded_by(_HELP)
    beyond = loaded - _loaded_by(_BASE_OF_HELP) - _of("typer", loaded)
    assert beyond - _of("snapshot_ingest.cli", loaded) <= _PARTS_OF_HELP


def test_help_loads_no_driver_and_no_event_loop() -> None:
    assert not _loaded_by(_HELP) & _NOT_OF_HELP


def test_a_worker_loads_nothing_of_other_commands_or_of_tests() -> None:
    loaded = _loaded_by("import snapshot_ingest.commands.run")
    assert not loaded & _NOT_OF_A_WORKER
    commands = _of("snapshot_ingest.commands", loaded)
    assert commands == {"snapshot_ingest.commands", "snapshot_ingest.commands.run"}


def test_what_must_not_be_loaded_is_there_to_be_loaded() -> None:
    """A name that nothing has would forbid nothing."""
    forbidden = _NOT_OF_HELP | _NOT_OF_A_WORKER | _OF_OPERATORS
    assert not {name for name in forbidden if find_spec(name) is None}
