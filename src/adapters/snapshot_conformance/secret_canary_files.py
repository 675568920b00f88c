"""Reads files and folders of any size for a search, in pieces that overlap."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from snapshot_conformance.secret_canary import SecretCanary

_PIECE_BYTES = 4 * 1024 * 1024
_OVERLAP_BYTES = 256 * 1024
"""More than any form of a secret is long, and than most compressed members are."""


def files_with(canary: SecretCanary, roots: Iterable[Path]) -> list[Path]:
    """The files among these, or below these folders, that hold the secret in any form."""
    return [
        path for path in files_below(roots) if any(canary.is_in(piece) for piece in pieces_of(path))
    ]


def pieces_of(path: Path) -> Iterator[bytes]:
    """The file's content, in pieces that overlap; nothing if a server removed it meanwhile."""
    kept = b""
    with suppress(FileNotFoundError), path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield kept + piece
            kept = piece[-_OVERLAP_BYTES:]


def files_below(roots: Iterable[Path]) -> Iterator[Path]:
    """The files themselves, and those in the folders and their folders."""
    for root in roots:
        if root.is_file():
            yield root
        for folder, _, names in os.walk(root):
            yield from (Path(folder) / name for name in names)
