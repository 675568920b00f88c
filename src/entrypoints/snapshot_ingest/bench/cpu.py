"""Processor time and memory of processes, as the kernel counts them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

_NANOSECONDS = 1e-9
_MIB = 1024 * 1024


def cpu_of_each(servers: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """For each name, the seconds that its processes and all below them have used so far."""
    return {name: cpu_seconds(pids) for name, pids in servers.items()}


def cpu_seconds(pids: Iterable[int]) -> float:
    """The same for some processes. One that has ended counts where its parent waited for it."""
    return sum(_seconds(process) for process in _families(pids))


def resident_mib(pid: int) -> float:
    """The memory that the process holds now, with all below it."""
    resident = 0
    for process in _families([pid]):
        with suppress(psutil.NoSuchProcess):
            resident += process.memory_info().rss
    return resident / _MIB


def _families(pids: Iterable[int]) -> list[psutil.Process]:
    processes: list[psutil.Process] = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            processes += [process, *process.children(recursive=True)]
    return processes


def _seconds(process: psutil.Process) -> float:
    """Its own, to the nanosecond where the kernel tells, and its ended children's, to the tick."""
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        own = _fine_seconds(process.pid)
        ended = float(times.children_user + times.children_system)
        return ended + (float(times.user + times.system) if own is None else own)
    return 0.0


def _fine_seconds(pid: int) -> float | None:
    """None where the kernel tells ticks alone, of 10 ms as a rule."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        spent = [int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks]
    except (OSError, ValueError, IndexError):
        return None
    return sum(spent) * _NANOSECONDS
