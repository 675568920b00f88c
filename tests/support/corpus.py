"""Configurations of real devices where there are any beside the project, else our own."""

from hashlib import sha256
from itertools import groupby
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

_LONGEST_CHARACTER_BYTES = 4
_SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"


def corpus_root(own: Path) -> Path:
    """A folder of configurations: the shared corpus, or one that is made below `own`."""
    if _SHARED.is_dir():
        return _SHARED
    return _made_below(own)


def _made_below(own: Path) -> Path:
    root = own / "corpus"
    texts = {
        "routeros/shed.rsc": b"/system identity\nset name=shed-ap-03\n",
        "routeros/barn.rsc": b"/ppp secret\nadd name=barn password=\xe4\xf6\xfc\n",
        "odd-bytes/cut-off.cfg": b"banner motd \xf0\x9f\x98\r\n",
        "odd-bytes/bom": b"\xef\xbb\xbfhostname bom\n",
        "series/tower/0001.cfg": b"hostname tower\n",
        "series/tower/0002.cfg": b"hostname tower\nntp server 192.0.2.1\n",
        "series/tower/0003.cfg": b"hostname tower\n",
    }
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    return root


def timelines(root: Path) -> dict[UUID, list[bytes]]:
    """For each device that the files stand for, the contents of its files in order of time.

    Said once more without the code under test: a folder of numbered files is one device.
    """
    found: dict[UUID, list[bytes]] = {}
    files = (path for path in root.rglob("*") if path.is_file())
    for folder, group in groupby(sorted(files, key=_folder), key=_folder):
        members = list(group)
        if all(path.stem.isdecimal() for path in members):
            members.sort(key=lambda path: int(path.stem))
            found[_device(root, folder)] = [path.read_bytes() for path in members]
        else:
            found.update((_device(root, path), [path.read_bytes()]) for path in members)
    return found


def runs(contents: list[bytes]) -> list[bytes]:
    """What is left when neighbours with the same digest are one."""
    return [next(same) for _, same in groupby(contents, key=lambda each: sha256(each).digest())]


def as_sent(content: bytes) -> bytes:
    """The text with one U+FFFD for each byte that is not UTF-8, found by trying each byte."""
    sent: list[str] = []
    place = 0
    while place < len(content):
        character = _character_at(content, place)
        sent.append(character or "\N{REPLACEMENT CHARACTER}")
        place += len(character.encode()) or 1
    return "".join(sent).encode()


def _character_at(content: bytes, place: int) -> str:
    for length in range(1, _LONGEST_CHARACTER_BYTES + 1):
        try:
            return content[place : place + length].decode()
        except UnicodeDecodeError:
            continue
    return ""


def _folder(path: Path) -> Path:
    return path.parent


def _device(root: Path, path: Path) -> UUID:
    return uuid5(NAMESPACE_URL, f"snapshot-ingest:{path.relative_to(root.parent).as_posix()}")
