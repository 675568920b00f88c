"""What a log line looks like: our own words whole, and of others' lines only where they come from.

A driver's warning, or asyncio's report of a task that failed, quotes errors, and these hold
rows, bodies and tokens.
"""

import logging
from collections.abc import Sequence

LEVELS: Sequence[str] = ("DEBUG", "INFO", "WARNING", "ERROR")

_OURS = "snapshot_"


class ContentFreeFormatter(logging.Formatter):
    """Formats our records; of a foreign one it shows level, logger and place alone."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the record is. A traceback is never printed."""
        shown = logging.makeLogRecord(vars(record))
        shown.exc_info = shown.exc_text = shown.stack_info = None
        if not _is_ours(record):
            shown.msg = f"(not shown: it may hold content) {record.module}:{record.lineno}"
            shown.args = ()
        return super().format(shown)


def set_up_logging(level: str, handler: logging.Handler | None = None) -> None:
    """Logs to the handler, by default standard error; replaces what was set up before.

    Of others only warnings and errors are logged, whatever the level. A line that cannot be
    written (a full disk, a closed pipe) is dropped without a word.
    """
    # Or logging would print what went wrong with the line, and with it the error that was being
    # handled when it was logged, as the driver made it.
    logging.raiseExceptions = False
    handler = handler or logging.StreamHandler()
    handler.addFilter(lambda record: _is_ours(record) or record.levelno >= logging.WARNING)
    handler.setFormatter(ContentFreeFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.startswith(_OURS)
