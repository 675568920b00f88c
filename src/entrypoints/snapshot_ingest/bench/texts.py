"""Configurations of one size: real ones where they are at hand, else those of the simulator."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from snapshot_ingest.poller import PolledText
from snapshot_ingest.simulator.routeros import export_of
from snapshot_ingest.simulator.values import password

_BASES = 64
_SEED = 1
_EDIT_BYTES = 64


class Texts:
    """Any number of different texts, each of `size_bytes` bytes.

    A device's text is one of a few bases and keeps it; each version of it has another last line,
    as an edit would leave it.
    """

    def __init__(self, size_bytes: int, folder: Path | None = None) -> None:
        whole = _files(folder) if folder else _simulated()
        room = size_bytes - _EDIT_BYTES
        self._bases = [_filled(whole, room) for _ in range(_BASES)]

    def text(self, device: int, version: int) -> PolledText:
        """The text of this device after so many edits."""
        secret = password(random.Random(f"{device} {version}"))
        edit = f"\n# {device} {version} {secret}".ljust(_EDIT_BYTES, "=")
        return PolledText(self._bases[device % _BASES] + edit[:_EDIT_BYTES].encode())


def _simulated() -> Iterator[bytes]:
    device = 0
    while True:
        yield export_of(_SEED, device, 0).reveal()
        device += 1


def _files(folder: Path) -> Iterator[bytes]:
    contents: Sequence[bytes] = [
        path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    ]
    texts = [content for content in contents if _is_text(content)]
    if not texts:
        raise FileNotFoundError(f"no text in {folder}")
    while True:
        yield from texts


def _is_text(content: bytes) -> bool:
    try:
        return bool(content.decode())
    except UnicodeDecodeError:
        return False


def _filled(whole: Iterator[bytes], size_bytes: int) -> bytes:
    """So many bytes of texts one after the other; a character that is cut ends as dots."""
    filled = bytearray()
    while len(filled) < size_bytes:
        filled += next(whole)
    text = bytes(filled[:size_bytes]).decode(errors="ignore").encode()
    return text.ljust(size_bytes, b".")
