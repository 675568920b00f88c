"""What docs/security.md shows works as it stands there, and fails for an adapter that leaks."""

import re
from pathlib import Path

import pytest

_PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")
_DRIVES = (Path(__file__).parent / "test_secrecy_of_faults.py").read_text("utf-8")
_LEAK = 'logger.debug("keeping %s", configuration.reveal())'


def _example() -> str:
    _, _, rest = _PAGE.partition("```python\n")
    example, _, _ = rest.partition("```")
    return example


def test_the_example_of_an_adapters_test_passes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(_example())
    result = pytester.runpytest_subprocess("-o", "asyncio_mode=auto", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


def test_the_example_fails_for_an_adapter_that_logs_content(pytester: pytest.Pytester) -> None:
    body = '"""Stores what is given."""'
    assert body in _example()
    pytester.makepyfile(_example().replace(body, _LEAK))
    result = pytester.runpytest_subprocess("-o", "asyncio_mode=auto", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    assert "LEAKS" in result.stdout.str()


def test_every_drive_is_in_the_table_and_no_other() -> None:
    _, _, rest = _PAGE.partition(
        "| drive | errors and answers | log records | |\n|---|---|---|---|\n"
    )
    table, _, _ = rest.partition("\n\n")
    shown = re.findall(r"^\| ([^|]+) \| [\d,]+ \| [\d,]+ \| clean \|$", table, re.MULTILINE)
    assert len(shown) == len(table.splitlines())
    assert shown == re.findall(r'^    "([^"]+)": of_\w+\.\w+,$', _DRIVES, re.MULTILINE) != []


def test_every_test_that_is_said_to_catch_a_leak_is_there() -> None:
    _, _, rest = _PAGE.partition("### Planted leaks")
    table, _, _ = rest.partition("\n\nTwo of these")
    named = set(re.findall(r"\b(test_[a-z0-9_]+)\b(?!\.py)", table))
    files = set(re.findall(r"\b(test_\w+\.py)\b", table))
    here = Path(__file__).parent
    contracts = here.parents[1] / "src" / "adapters" / "snapshot_conformance"
    texts = [path.read_text("utf-8") for path in (*here.glob("test_*.py"), *contracts.glob("*.py"))]
    defined = {name for text in texts for name in re.findall(r"def (test_\w+)\(", text)}
    assert len(named) >= 10
    assert named <= defined
    assert files <= {path.name for path in here.glob("test_*.py")}
