"""CONTRIBUTING.md says which port has which contract, and which ports have none."""

import re
from importlib import import_module
from pathlib import Path

import snapshot_domain.ports
from snapshot_conformance import __path__ as _folders

_PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text("utf-8")
_TABLE, _, _REST = _PAGE.partition("| port | contract,")[2].partition("\n\n")
_WITHOUT = _REST.partition("Without a contract so far are")[2].partition("\n\n")[0]
_CONTRACT = re.compile(r"`(\w+)\.(\w+Contract)`")


def test_every_port_has_a_contract_or_is_said_to_have_none() -> None:
    ports = {
        name
        for name in snapshot_domain.ports.__all__
        if getattr(getattr(snapshot_domain.ports, name), "_is_protocol", False)
    }
    named = re.findall(r"^\| (`.+?) \|", _TABLE, re.MULTILINE)
    with_contract = {port for each in named for port in re.findall(r"`(\w+)`", each)}
    without = set(re.findall(r"`(\w+)`", _WITHOUT))
    assert with_contract | without == ports
    assert not with_contract & without


def test_every_contract_that_is_named_is_there() -> None:
    named = _CONTRACT.findall(_TABLE)
    assert named
    for module, name in named:
        assert hasattr(import_module(f"snapshot_conformance.{module}"), name)


def test_every_contract_of_a_port_is_named() -> None:
    there = {
        name
        for file in Path(_folders[0]).glob("*.py")
        for name in re.findall(r"^class (\w+Contract)\b", file.read_text("utf-8"), re.MULTILINE)
    }
    parts_of_hash_repository = {"LateArrivalContract", "TimelineModelContract"}
    assert {name for _, name in _CONTRACT.findall(_TABLE)} == there - parts_of_hash_repository
