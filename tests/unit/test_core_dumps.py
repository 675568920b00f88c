"""No process of the command dumps core, and no other of its user looks into it."""

import subprocess
import sys

import pytest

_LOOK = """
import ctypes, resource, sys
{before}
print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
_REFUSE = "from snapshot_ingest.core_dumps import refuse_core_dumps; refuse_core_dumps()"
_COMMAND = """
sys.argv = ["snapshot-ingest", "config", "show"]
from snapshot_ingest.__main__ import main
try:
    main()
except SystemExit:
    pass
"""


def _after(before: str) -> tuple[int, int]:
    """The limit of core files, and whether the kernel would dump it, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _LOOK.format(before=before)], capture_output=True, check=True
    )
    limit, dumpable = done.stdout.split()[-2:]
    return int(limit), int(dumpable)


@pytest.mark.parametrize("before", [_REFUSE, _COMMAND], ids=["the function", "a command"])
def test_the_limit_is_nothing_and_the_kernel_is_told(before: str) -> None:
    assert _after(before) == (0, 0)


def test_without_it_the_kernel_would_dump_it() -> None:
    _, dumpable = _after("pass")
    assert dumpable == 1


def test_importing_the_library_changes_nothing_in_its_host() -> None:
    _, dumpable = _after("import snapshot_ingest.composition, snapshot_ingest.ingestion")
    assert dumpable == 1
