"""Keeps what a process holds in memory out of core files, and out of other processes' reach."""

import ctypes
import resource

# Of Linux's prctl.h; other systems have no prctl.
_PR_SET_DUMPABLE = 4


def refuse_core_dumps() -> None:
    """From now on this process leaves no core file, whatever ends it.

    Where the system has it (Linux), a debugger of the same user cannot look into it either, nor
    read its environment, and a handler that `core_pattern` names gets nothing, which the limit
    alone does not see to. It concerns the whole process, so only our own command calls it, and
    never the library in somebody else's process. What it starts inherits the limit alone.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
