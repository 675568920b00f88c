"""Folders of small configurations to publish."""

from collections.abc import Iterable
from pathlib import Path


def folder_of(root: Path, texts: Iterable[bytes]) -> Path:
    """The folder `fleet` with a device for each of the texts; made, or changed."""
    folder = root / "fleet"
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (folder / f"router-{number:04}.rsc").write_bytes(text)
    return folder


def small_fleet(root: Path, devices: int, *, version: int = 1) -> Path:
    """A folder with so many devices, each with a text of its own in this version."""
    texts = (f"# version {version}\n/system identity\nset name=r{n}\n" for n in range(devices))
    return folder_of(root, (text.encode() for text in texts))
