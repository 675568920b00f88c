"""Opens what is compressed inside of other bytes, wherever a member's first bytes stand."""

import re
import zlib
from base64 import urlsafe_b64decode
from collections.abc import Iterator

import zstandard

UNPACKED_BYTES_AT_MOST = 16 * 1024 * 1024
"""Of one member; a bomb must not end the search."""

_DEPTH_AT_MOST = 3

_MEMBERS = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]|\x28\xb5\x2f\xfd")
_ANY_WINDOW_BITS = 32 + zlib.MAX_WBITS  # gzip and zlib alike

# The same first bytes as base64 writes them where a run of it begins, be it in a path.
_BASE64_OF_MEMBERS = re.compile(
    rb"(?<![A-Za-z0-9+])(?:H4sI|e(?:A[E-H]|F[4-7]|J[w-z]|N[o-r])|KLUv)[A-Za-z0-9+/_-]{13,}"
)

_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def readings_of(content: bytes, depth: int = 0) -> Iterator[bytes]:
    """The content, and all that gzip, zlib or zstd has packed in it, also where that is base64.

    What is cut off at its end is read as far as it goes.
    """
    yield content
    if depth == _DEPTH_AT_MOST:
        return
    for found in _BASE64_OF_MEMBERS.finditer(content):
        yield from _inner(_decoded(found[0]), 0, depth)
    for found in _MEMBERS.finditer(content):
        yield from _inner(content, found.start(), depth)


def _inner(content: bytes, start: int, depth: int) -> Iterator[bytes]:
    unpacked = _unpacked(memoryview(content)[start:])
    if unpacked:
        yield from readings_of(unpacked, depth + 1)


def _unpacked(member: memoryview) -> bytes:
    """What the member holds; nothing where these are bytes that only look like one."""
    try:
        if member[0] == 0x28:
            reader = zstandard.ZstdDecompressor().stream_reader(member)
            return reader.read(UNPACKED_BYTES_AT_MOST)
        return zlib.decompressobj(_ANY_WINDOW_BITS).decompress(member, UNPACKED_BYTES_AT_MOST)
    except (zlib.error, zstandard.ZstdError):
        return b""


def _decoded(run: bytes) -> bytes:
    # One character too many is no base64, and of another encoding or of a text that was cut short.
    whole = run[:-1] if len(run) % 4 == 1 else run
    return urlsafe_b64decode(whole.translate(_URL_SAFE) + b"=" * (-len(whole) % 4))
