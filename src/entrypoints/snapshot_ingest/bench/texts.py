"""Configurations of one size: real ones where they are at hand, else those of the simulator."""

import random
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from snapshot_ingest.command_errors import UsageError
from snapshot_ingest.poller import PolledText
from snapshot_ingest.simulator.routeros import export_of
from snapshot_ingest.simulator.values import password

_BASES = 64
_SEED = 1
_EDIT_BYTES = 64


class Texts:
    """Any number of different texts, each of `size_bytes` bytes.

    A device's text is one of a few bases and keeps it; each version of it has another last line,
    as an edit would leave it. Raises `UsageError` if the folder holds no text.
    """

    def __init__(self, size_bytes: int, folder: Path | None = None) -> None:
        whole = cycle(texts_below(folder)) if folder else _simulated()
        room = size_bytes - _EDIT_BYTES
        self._bases = [_filled(whole, room) for _ in range(_BASES)]

    def text(self, device: int, version: int) -> PolledText:
        """The text of this device after so many edits."""
        made_up = password(random.Random(f"{device} {version}"))
        edit = f"\n# {device} {version} {made_up}".ljust(_EDIT_BYTES, "=")
        return PolledText(self._bases[device % _BASES] + edit[:_EDIT_BYTES].encode())


def texts_below(folder: Path) -> Sequence[bytes]:
    """The folder's files that are text, in order. Raises `UsageError` if there is none."""
    try:
        contents = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    except OSError as error:
        problem = error.strerror or type(error).__name__
    else:
        if texts := [content for content in contents if _is_text(content)]:
            return texts
        problem = "it is no folder that holds text"
    raise UsageError(
        f"--texts {str(folder)!r} cannot be used: {problem}",
        expected="a folder with configurations in UTF-8",
    )


def _simulated() -> Iterator[bytes]:
    device = 0
    while True:
        yield export_of(_SEED, device, 0).reveal()
        device += 1


def _is_text(content: bytes) -> bool:
    try:
        return bool(content.decode().strip())
    except UnicodeDecodeError:
        return False


def _filled(whole: Iterator[bytes], size_bytes: int) -> bytes:
    """So many bytes of texts one after the other; a character that is cut ends as dots."""
    filled = bytearray()
    while len(filled) < size_bytes:
        filled += next(whole)
    text = bytes(filled[:size_bytes]).decode(errors="ignore").encode()
    return text.ljust(size_bytes, b".")
