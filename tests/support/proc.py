"""What the kernel says of a process: its memory, descriptors, threads and connections (Linux)."""

from contextlib import suppress
from pathlib import Path

_KIB = 1024
_ESTABLISHED = "01"


def resident_bytes(pid: int) -> int:
    """How much of it is in memory now."""
    return _status(pid, "VmRSS") * _KIB


def peak_resident_bytes(pid: int) -> int:
    """The most of it that ever was in memory, since it began or was told to forget that."""
    return _status(pid, "VmHWM") * _KIB


def threads(pid: int) -> int:
    """How many threads it has."""
    return _status(pid, "Threads")


def descriptors(pid: int) -> int:
    """How many files and sockets it has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def connections(pid: int, port: int) -> int:
    """How many of its TCP connections to that port of this machine are established."""
    inodes = {
        line.split()[9]
        for line in Path(f"/proc/{pid}/net/tcp").read_text("ascii").splitlines()[1:]
        if line.split()[3] == _ESTABLISHED and int(line.split()[2].rpartition(":")[2], 16) == port
    }
    return sum(1 for target in _targets(pid) if target.removeprefix("socket:[")[:-1] in inodes)


def core_limit(pid: int) -> str:
    """How large a core file it may leave, as the kernel words it: soft and hard limit."""
    for line in Path(f"/proc/{pid}/limits").read_text("ascii").splitlines():
        if line.startswith("Max core file size"):
            return " ".join(line.removeprefix("Max core file size").split()[:2])
    raise ValueError("the kernel says nothing of core files; expected Linux with /proc")


def command_lines() -> list[bytes]:
    """What each process of this machine was started with."""
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # A process may end while we look.
            with suppress(OSError):
                lines.append((entry / "cmdline").read_bytes())
    return lines


def _targets(pid: int) -> list[str]:
    """What its descriptors stand for; one that was closed while we looked is left out."""
    targets = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            targets.append(str(entry.readlink()))
        except OSError:
            continue
    return targets


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise ValueError(f"the kernel says nothing of {name}; expected Linux with /proc")
