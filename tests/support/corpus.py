"""Configurations of real devices where there are any beside the project, else our own."""

from pathlib import Path

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
