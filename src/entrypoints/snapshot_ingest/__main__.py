"""`snapshot-ingest`, and `python -m snapshot_ingest`."""

import sys
import traceback
from typing import NoReturn

from snapshot_domain.errors import SnapshotIngestError

_FAILED = 1
_INTERRUPTED = 130


def main() -> None:
    """Runs the command line; a fault of ours is one line and exit 1, never a traceback.

    An error that nobody foresaw may be a driver's and hold content: only its class and the
    places that it came through are printed.
    """
    try:
        from snapshot_ingest.cli import app
    except ModuleNotFoundError as error:
        _fail(f"{error.name} is not installed; install snapshot-ingest[cli]")
    try:
        app()
    except SnapshotIngestError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - see the docstring
        places = traceback.extract_tb(error.__traceback__)
        for place in places:
            print(f"  {place.filename}:{place.lineno} in {place.name}", file=sys.stderr)  # noqa: T201
        _fail(f"unforeseen {type(error).__name__}; please report it with the lines above")


def _fail(line: str) -> NoReturn:
    print(f"snapshot-ingest: {line}", file=sys.stderr)  # noqa: T201 - the command line's own output
    sys.exit(_FAILED)


if __name__ == "__main__":
    main()
