"""A fixture for tests that run commands in this process: their set-up of logging ends with them."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def unchanged_logging() -> Iterator[None]:
    """The command sets up logging for its process; here the set-up before it comes back."""
    root = logging.getLogger()
    handlers, level, raises = root.handlers[:], root.level, logging.raiseExceptions
    for handler in handlers:
        root.removeHandler(handler)  # or the set-up would close it
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raises
