"""The forms that a secret is looked for in, and the ways in which programs write one."""

import gzip
import json
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from urllib.parse import quote, quote_plus

import zstandard
from attrs import frozen


@frozen
class Form:
    """What letters and digits look like somewhere: `needle` is how a search recognises them."""

    name: str
    needle: Callable[[str], bytes]


@frozen
class Writing:
    """One way in which a program may leave a text behind: `write` does it.

    `found_as` names the form that a search finds it by. `is_text` is False for what cannot stand
    in a text, such as the bytes of a gzip member.
    """

    name: str
    write: Callable[[str], bytes]
    found_as: str = "raw"
    is_text: bool = True


def needles_of(part: str) -> Iterator[tuple[str, bytes]]:
    """Each form's name, and what the part (ASCII letters and digits) looks like in it."""
    for form in FORMS:
        yield form.name, form.needle(part)


def _base64_within(offset: int, part: str) -> bytes:
    """How the base64 of a longer text shows the part that begins `offset` bytes after a group.

    The first and the last characters depend on what stands around it, and are left out. That of
    ASCII letters and digits has no character in which the standard and the URL-safe form differ.
    """
    raw = part.encode()
    encoded = b64encode(bytes(offset) + raw).rstrip(b"=")
    return encoded[(offset * 8 + 5) // 6 : (offset + len(raw)) * 8 // 6]


def _utf16(part: str) -> bytes:
    """Both byte orders: what little and big endian have in common."""
    return part.encode("utf-16-le")[:-1]


def _percent(part: str) -> bytes:
    return "".join(f"%{byte:02x}" for byte in part.encode()).encode()


FORMS: Sequence[Form] = (
    Form("raw", lambda part: part.encode()),
    Form("upper case", lambda part: part.upper().encode()),
    Form("UTF-16", _utf16),
    Form("base64 at 0", partial(_base64_within, 0)),
    Form("base64 at 1", partial(_base64_within, 1)),
    Form("base64 at 2", partial(_base64_within, 2)),
    Form("hex", lambda part: part.encode().hex().encode()),
    Form("upper-case hex", lambda part: part.encode().hex().upper().encode()),
    Form("percent signs throughout", _percent),
    Form("upper-case percent signs throughout", lambda part: _percent(part).upper()),
)
"""What is looked for in everything, and in everything that can be unpacked from it."""


def _base64_writings() -> Iterator[Writing]:
    for offset in range(3):
        found_as = f"base64 at {offset}"
        yield Writing(f"base64 at {offset}", partial(_base64, b64encode, offset), found_as)
        yield Writing(
            f"URL-safe base64 at {offset}", partial(_base64, urlsafe_b64encode, offset), found_as
        )


def _base64(encode: Callable[[bytes], bytes], offset: int, text: str) -> bytes:
    return encode(b"x" * offset + text.encode())


def _zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


def _compressed_writings() -> Iterator[Writing]:
    packers: Sequence[tuple[str, Callable[[bytes], bytes]]] = (
        ("gzip", gzip.compress),
        ("zlib", zlib.compress),
        ("zstd", _zstd),
    )
    for name, pack in packers:
        yield Writing(name, partial(_packed, pack), is_text=False)
        yield Writing(f"base64 of {name}", partial(_packed_in_base64, pack))


def _packed(pack: Callable[[bytes], bytes], text: str) -> bytes:
    return pack(text.encode() * 3)


def _packed_in_base64(pack: Callable[[bytes], bytes], text: str) -> bytes:
    return b64encode(_packed(pack, text))


WRITINGS: Sequence[Writing] = (
    Writing("raw", lambda text: text.encode()),
    Writing("upper case", lambda text: text.upper().encode(), "upper case"),
    Writing("cut short", lambda text: text[:24].encode()),
    Writing(
        "UTF-16, little endian", lambda text: text.encode("utf-16-le"), "UTF-16", is_text=False
    ),
    Writing("UTF-16, big endian", lambda text: text.encode("utf-16-be"), "UTF-16", is_text=False),
    *_base64_writings(),
    Writing("hex", lambda text: text.encode().hex().encode(), "hex"),
    Writing("upper-case hex", lambda text: text.encode().hex().upper().encode(), "upper-case hex"),
    Writing("URL-encoded", lambda text: quote(text, safe="").encode()),
    Writing("URL-encoded path", lambda text: quote(text).encode()),
    Writing("URL-encoded form", lambda text: quote_plus(text).encode()),
    Writing("percent signs throughout", _percent, "percent signs throughout"),
    Writing(
        "upper-case percent signs throughout",
        lambda text: _percent(text).upper(),
        "upper-case percent signs throughout",
    ),
    Writing("JSON-escaped", lambda text: json.dumps(text).encode()),
    Writing("JSON in UTF-8", lambda text: json.dumps({"a": [text]}, ensure_ascii=False).encode()),
    Writing("JSON in JSON", lambda text: json.dumps(json.dumps(text)).encode()),
    Writing("Python's repr", lambda text: repr(text).encode()),
    Writing("Python's repr of bytes", lambda text: repr(text.encode()).encode()),
    *_compressed_writings(),
)
"""What the positive controls write: each must be found, by the form that it names."""

TEXT_WRITINGS: Sequence[Writing] = tuple(each for each in WRITINGS if each.is_text)
"""Those that can stand in a text."""
