"""Log lines: our own words whole; of others' lines only where they come from."""

import logging
from io import StringIO

import pytest

from snapshot_ingest.logs import set_up_logging
from support.unchanged_logging import unchanged_logging

__all__ = ["unchanged_logging"]

CANARY = "canary-1c9e77f0"


@pytest.fixture
def output() -> StringIO:
    """What is logged from DEBUG on."""
    stream = StringIO()
    set_up_logging("DEBUG", logging.StreamHandler(stream))
    return stream


def test_our_own_words_are_shown(output: StringIO) -> None:
    logging.getLogger("snapshot_domain.ingest").warning("%d messages", 3)
    assert output.getvalue().endswith("WARNING snapshot_domain.ingest: 3 messages\n")


@pytest.mark.parametrize("name", ["asyncio", "nats.aio.client", "asyncpg", "urllib3", "root"])
def test_of_others_words_only_the_place_is_shown(output: StringIO, name: str) -> None:
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        logging.getLogger(name).log(logging.ERROR, "%r", error, exc_info=True)
    line = output.getvalue()
    assert CANARY not in line
    assert f"ERROR {name}: (not shown: it may hold content) test_logs:" in line
    assert line.count("\n") == 1


def test_what_others_chat_about_is_not_logged(output: StringIO) -> None:
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("snapshot_ingest").debug("ours")
    assert output.getvalue().count("\n") == 1


def test_no_traceback_is_shown_whoever_logs_it(output: StringIO) -> None:
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("snapshot_ingest").warning("failed", exc_info=True, stack_info=True)
    assert output.getvalue().endswith("WARNING snapshot_ingest: failed\n")


def test_a_formatted_record_is_left_as_it_was(output: StringIO) -> None:
    seen: list[logging.LogRecord] = []

    class _Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    keep = _Keep()
    logging.getLogger().addHandler(keep)
    logging.getLogger("asyncio").warning("words of %s", "others")
    logging.getLogger().removeHandler(keep)
    assert "words" not in output.getvalue()
    assert seen[0].getMessage() == "words of others"


def test_a_line_that_cannot_be_written_brings_no_error_onto_the_screen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logging("DEBUG", _broken_handler())
    _log_while_an_error_is_handled()
    assert capsys.readouterr().err == ""
    # As it would be otherwise.
    logging.raiseExceptions = True
    _log_while_an_error_is_handled()
    assert CANARY in capsys.readouterr().err


def _broken_handler() -> logging.Handler:
    """As one whose disk is full."""
    closed = StringIO()
    closed.close()
    return logging.StreamHandler(closed)


def _log_while_an_error_is_handled() -> None:
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("snapshot_nats.source").warning("not given back")
