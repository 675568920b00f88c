"""What docs/security.md shows works as it stands there, and fails for an adapter that leaks."""

from pathlib import Path

import pytest

_PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")
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
