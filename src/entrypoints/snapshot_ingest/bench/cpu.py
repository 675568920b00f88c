"""Processor time and memory of processes, as the kernel counts them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

_NANOSECONDS = 1e-9
_MIB = 1024 * 1024


def cpu_seconds(pids: Iterable[int]) -> float:
    """What the processes and all below them have used so far; what has ended counts no more."""
    return sum(_own_seconds(process) for process in _families(pids))


def cpu_of_each(servers: Mapping[str, int]) -> dict[str, float]:
    """The same for each name."""
    return {name: cpu_seconds([pid]) for name, pid in servers.items()}


def resident_mib(pid: int) -> float:
    """The memory that the process holds now, with all below it."""
    resident = 0
    for process in _families([pid]):
        try:
            resident += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return resident / _MIB


def _families(pids: Iterable[int]) -> list[psutil.Process]:
    processes: list[psutil.Process] = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            processes += [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return processes


def _own_seconds(process: psutil.Process) -> float:
    """To the nanosecond where the kernel tells; else to its tick, of 10 ms as a rule."""
    try:
        tasks = Path(f"/proc/{process.pid}/task").iterdir()
        spent = [int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks]
        return sum(spent) * _NANOSECONDS
    except (OSError, ValueError, IndexError):
        pass
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
