"""Looks for a secret in any of the forms that a careless program would leave it in."""

import json
import os
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, quote_plus
from uuid import uuid4

from attrs import field, frozen

_SPECIAL = '§"\\/ &+'
_PIECE_BYTES = 4 * 1024 * 1024


@frozen
class Canary:
    """A secret that is nowhere else, with characters that each encoding writes differently."""

    text: str = field(factory=lambda: f"canary-{uuid4().hex}{_SPECIAL}{uuid4().hex}")

    def is_in(self, content: bytes | str) -> bool:
        """Whether the content holds the secret in any form, upper or lower case of hex alike."""
        return bool(self.forms_in(content))

    def forms_in(self, content: bytes | str) -> set[str]:
        """The names of the forms that the content holds."""
        data = content.encode(errors="surrogatepass") if isinstance(content, str) else content
        return {name for name, form in self.forms() if form in data}

    def forms(self) -> Iterator[tuple[str, bytes]]:
        """Each form's name, and what it looks like."""
        raw = self.text.encode()
        yield "raw", raw
        yield "UTF-16", self.text.encode("utf-16-le")
        for offset in range(3):
            yield f"base64 at {offset}", _base64_within(raw, offset)
            yield f"base64url at {offset}", _base64_within(raw, offset, altchars=b"-_")
        yield "hex", raw.hex().encode()
        yield "upper-case hex", raw.hex().upper().encode()
        yield "URL-encoded", quote(self.text, safe="").encode()
        yield "URL-encoded path", quote(self.text).encode()
        yield "URL-encoded form", quote_plus(self.text).encode()
        yield "JSON-escaped", json.dumps(self.text)[1:-1].encode()
        yield "JSON in UTF-8", json.dumps(self.text, ensure_ascii=False)[1:-1].encode()
        yield "Python's repr", repr(self.text)[1:-1].encode()
        yield "Python's repr of bytes", repr(raw)[2:-1].encode()

    def files_with_it(self, roots: Iterable[Path]) -> list[Path]:
        """The files among these, or below these folders, that hold the secret in any form.

        Read in pieces that overlap, so that a file of any size does.
        """
        return [path for path in files_below(roots) if self._is_in_file(path)]

    def _is_in_file(self, path: Path) -> bool:
        overlap_bytes = max(len(form) for _, form in self.forms())
        kept = b""
        # A server may remove a file while we look.
        with suppress(FileNotFoundError), path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                if self.is_in(kept + piece):
                    return True
                kept = piece[-overlap_bytes:]
        return False


def files_below(roots: Iterable[Path]) -> Iterator[Path]:
    """The files themselves, and those in the folders and their folders."""
    for root in roots:
        if root.is_file():
            yield root
        for folder, _, names in os.walk(root):
            yield from (Path(folder) / name for name in names)


def _base64_within(raw: bytes, offset: int, *, altchars: bytes = b"+/") -> bytes:
    """How the base64 of a longer text shows the secret that begins `offset` bytes after a group.

    The first and the last characters depend on what stands around the secret, and are left out.
    """
    encoded = b64encode(bytes(offset) + raw, altchars).rstrip(b"=")
    first = (offset * 8 + 5) // 6
    return encoded[first : (offset + len(raw)) * 8 // 6]
