"""`snapshot-ingest`, and `python -m snapshot_ingest`."""

import sys
from typing import Any, NoReturn

from snapshot_domain.errors import SnapshotIngestError
from snapshot_ingest.core_dumps import refuse_core_dumps
from snapshot_ingest.exit_codes import FAILED, INTERRUPTED, MISUSED

_NAME = "snapshot-ingest"


def main() -> None:
    """Runs the command line; what goes wrong is one line, never a traceback.

    A command line that cannot be parsed ends with exit 2, a fault of ours with exit 1.

    An error that nobody foresaw may be a driver's and hold content: only its class and the
    places that it came through are printed. No command leaves a core file.
    """
    refuse_core_dumps()
    try:
        from snapshot_ingest.cli import ParserError, app
    except ModuleNotFoundError as error:
        _fail_for_want_of(error)
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name=_NAME, standalone_mode=False)
    except ParserError as error:
        _fail(_described(error), MISUSED)
    except SnapshotIngestError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        _fail_for_want_of(error)
    except _interruptions():
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - see the docstring
        _tell_places(error)
        _fail(f"unforeseen {type(error).__name__}; please report it with the lines above")
    sys.exit(code)


def _interruptions() -> tuple[type[BaseException], ...]:
    """What a loop ends with that was told to stop; looked up once something went wrong."""
    import asyncio

    return (KeyboardInterrupt, asyncio.CancelledError)


def _tell_places(error: Exception) -> None:
    import traceback

    for place in traceback.extract_tb(error.__traceback__):
        sys.stderr.write(f"  {place.filename}:{place.lineno} in {place.name}\n")


def _described(error: Any) -> str:
    """What the parser has to say, and where there is help, in one line."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else _NAME
    problem = " ".join(error.format_message().split()).rstrip(".")
    return f"{problem}; see `{command} --help`"


def _fail_for_want_of(error: ModuleNotFoundError) -> NoReturn:
    _fail(f"{error.name} is not installed; install snapshot-ingest[cli]")


def _fail(line: str, code: int = FAILED) -> NoReturn:
    print(f"{_NAME}: {line}", file=sys.stderr)  # noqa: T201 - the command line's own output
    sys.exit(code)


if __name__ == "__main__":
    main()
