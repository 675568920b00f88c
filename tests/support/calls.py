"""What a driver is asked, written down in the order in which it is asked."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest


def calls_of(
    monkeypatch: pytest.MonkeyPatch,
    driver: type,
    *methods: str,
    said: Callable[..., str] | None = None,
) -> list[str]:
    """The calls of the driver's methods from now on: what `said` makes of the arguments.

    Without it, the method's name.
    """
    calls: list[str] = []
    for name in methods:
        told = said or (lambda *_, name=name: name)
        monkeypatch.setattr(driver, name, _written_down(getattr(driver, name), told, calls))
    return calls


def _written_down(
    method: Callable[..., Awaitable[Any]], said: Callable[..., str], calls: list[str]
) -> Callable[..., Awaitable[Any]]:
    async def call(instance: object, *args: Any, **options: Any) -> Any:
        calls.append(said(*args))
        return await method(instance, *args, **options)

    return call
