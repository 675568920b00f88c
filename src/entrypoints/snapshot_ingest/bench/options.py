"""What a bench is asked for, and whether it can be meant."""

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from attrs import frozen

from snapshot_ingest.bench.case import Case, Contender
from snapshot_ingest.bench.measuring import fits
from snapshot_ingest.bench.texts import texts_below
from snapshot_ingest.command_errors import UsageError
from snapshot_ingest.settings import CipherFormat

ROUNDS_AT_LEAST = 3
_SIZES = (1024, 512 * 1024)
_SECONDS = (0.05, 60.0)
_HEADS = (1_000_001, 10_000_000)


@frozen
class BenchOptions:
    """What the command line asks for, and can be had."""

    cases: Sequence[Case]
    formats: Sequence[CipherFormat]
    bare: bool
    rounds: int
    seconds: float
    framework: bool
    floors: bool
    latency: bool
    prices: bool
    marks: bool
    heads: int | None
    texts: Path | None
    json: Path | None
    plot: Path | None
    remarks: Sequence[str]
    """What is left out, and what else to know."""

    @property
    def contenders(self) -> Sequence[Contender]:
        """Who is measured on each case, the baseline first."""
        framework = [Contender.FRAMEWORK] if self.framework else []
        return [Contender.BASELINE, *framework, *map(Contender.of, self.formats)]


def cases_of(
    sizes: Sequence[int], tenants: Sequence[int], unchanged: Sequence[int]
) -> Sequence[Case]:
    """The first of each is the base; of the others, each is tried with the base's other two.

    Raises `UsageError` for what no load can be made of.
    """
    for size in sizes:
        _refuse(not _SIZES[0] <= size <= _SIZES[1], f"--size {size}", "1024 to 524288 bytes")
    for count in tenants:
        _refuse(not 1 <= count <= 100_000, f"--tenants {count}", "1 to 100000")
    for percent in unchanged:
        _refuse(not 0 <= percent <= 99, f"--unchanged {percent}", "0 to 99 percent")
    base = Case(sizes[0], tenants[0], unchanged[0])
    cases = [
        base,
        *(Case(size, base.tenants, base.unchanged_percent) for size in sizes),
        *(Case(base.size_bytes, count, base.unchanged_percent) for count in tenants),
        *(Case(base.size_bytes, base.tenants, percent) for percent in unchanged),
    ]
    for case in cases:
        _refuse(not fits(case), f"{case.name}", "a message a tenant in 700 MB of stream")
    return list(dict.fromkeys(cases))


def formats_of(names: Sequence[str]) -> Sequence[CipherFormat]:
    """The formats of these names, or all. Raises `UsageError` for one that is none."""
    known = [chosen.value for chosen in CipherFormat]
    for name in names:
        _refuse(name not in known, f"--format {name!r}", ", ".join(known))
    return [chosen for chosen in CipherFormat if not names or chosen.value in names]


def checked_rounds(rounds: int) -> int:
    """Raises `UsageError` if so few have no median worth the name."""
    _refuse(rounds < ROUNDS_AT_LEAST, f"--rounds {rounds}", f"at least {ROUNDS_AT_LEAST}")
    return rounds


def checked_seconds(seconds: float) -> float:
    """Raises `UsageError` for a length that no run can have."""
    _refuse(not _SECONDS[0] <= seconds <= _SECONDS[1], f"--seconds {seconds:g}", "0.05 to 60")
    return seconds


def checked_heads(heads: int | None, *, marks: bool) -> int | None:
    """Raises `UsageError` for a number that is not beyond that of the marks, or without them."""
    if heads is not None:
        _refuse(not marks, "--heads without --marks", "both, or neither")
        _refuse(not _HEADS[0] <= heads <= _HEADS[1], f"--heads {heads}", "1000001 to 10000000")
    return heads


def checked_file(option: str, path: Path | None) -> Path | None:
    """Raises `UsageError` if the file could not be written at the end."""
    if path is not None:
        place = path if path.exists() else path.parent
        _refuse(
            path.is_dir() or not path.parent.is_dir() or not os.access(place, os.W_OK),
            f"{option} {str(path)!r}",
            "a file in a folder that is there and can be written",
        )
    return path


def checked_texts(folder: Path | None) -> Path | None:
    """Raises `UsageError` if the folder holds no text."""
    if folder is not None:
        texts_below(folder)
    return folder


def optional(*, name: str, module: str, asked: bool | None) -> tuple[bool, str]:
    """Whether it can be had, and what to say if not. Raises `UsageError` if it was asked for."""
    if asked is False or find_spec(module) is not None:
        return asked is not False, ""
    missing = f"{module} is not installed"
    if asked:
        raise UsageError(f"{name}: {missing}", next_step="install snapshot-ingest[bench]")
    return False, f"{name} is left out: {missing}; snapshot-ingest[bench] has it"


def remarks_on_real_texts(
    texts: Path | None, *, bare: bool, prices: bool, marks: bool
) -> Iterator[str]:
    """What to say where a folder's texts are measured: what is in clear, and what is not."""
    if texts is None:
        return
    if bare:
        yield "--bare: until the end, the stream has the folder's texts in clear on this disk"
    elif prices:
        yield "stream encryption's price is left out: the stream would have the texts in clear"
    if marks:
        yield "encryption's price is left out: the database would have the texts in clear"


def _refuse(is_wrong: bool, what: str, expected: str) -> None:  # noqa: FBT001 - a condition
    if is_wrong:
        raise UsageError(f"{what} cannot be used", expected=expected)
