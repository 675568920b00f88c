"""Every error class of a driver, each with a secret wherever the driver puts what it was given."""

from collections.abc import Iterator
from contextlib import suppress

_ATTRIBUTES = ("request", "response", "detail", "query", "description", "subject", "reply", "doc")
"""Where drivers keep a request, a row or a message beside their error's text."""


def every_error(text: str, *roots: type[BaseException], of: str) -> Iterator[BaseException]:
    """One error of each class below the roots that the driver's package `of` defines."""
    for kind in dict.fromkeys(each for root in roots for each in _kinds_below(root)):
        if kind.__module__.partition(".")[0] in (of, "builtins"):
            yield loaded(kind, text)


def loaded(kind: type[BaseException], text: str) -> BaseException:
    """An error of the class that holds the text in its arguments, attributes, notes and cause."""
    try:
        error = kind(text)
    except Exception:  # noqa: BLE001 - each class wants arguments of its own
        error = kind.__new__(kind, text)
    error.args = (text, text.encode())
    for name in _ATTRIBUTES:
        with suppress(AttributeError, TypeError):
            setattr(error, name, text)
    error.add_note(text)
    error.__context__ = ValueError(text)
    return error


def _kinds_below(root: type[BaseException]) -> Iterator[type[BaseException]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds_below(kind)
