"""zstd around a plaintext: smaller before it is encrypted, and bounded when it is opened."""

import threading
from collections.abc import Sequence
from typing import Any

import zstandard

from snapshot_domain.secret import Secret
from snapshot_openbao.errors import Problem

MAX_PLAINTEXT_BYTES = 64 * 1024 * 1024
"""No message is larger than the largest that a NATS server takes."""

_LEVEL = 1
"""Of 16 KB it makes half a per cent more than level 3 does, in a quarter less time."""

_of_this_thread = threading.local()


def compress(plaintext: Secret) -> Secret:
    """The plaintext as one zstd frame."""
    return Secret(_compressor().compress(plaintext.reveal()))


def compress_all(plaintexts: Sequence[Secret]) -> list[Secret]:
    """Each plaintext as one zstd frame, in order.

    All in one call of the library, which lets other threads run meanwhile: in a call each, this
    thread would wait for its turn again after every single one.
    """
    contents: list[Any] = [plaintext.reveal() for plaintext in plaintexts]
    if not any(contents):
        return [compress(plaintext) for plaintext in plaintexts]  # the call refuses nothing at all
    frames = _compressor().multi_compress_to_buffer(contents, threads=0)
    return [Secret(frames[place].tobytes()) for place in range(len(frames))]


def _compressor() -> zstandard.ZstdCompressor:
    compressor: zstandard.ZstdCompressor | None = getattr(_of_this_thread, "compressor", None)
    if compressor is None:
        # Making one costs more than using it, and none may be used by two threads at once.
        compressor = _of_this_thread.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    return compressor


def decompress(compressed: Secret, max_bytes: int = MAX_PLAINTEXT_BYTES) -> bytes | Problem:
    """The plaintext; `NOT_COMPRESSED` if this is no whole frame, or one of more than `max_bytes`.

    A frame of ours says its size: one that does not could be of any.
    """
    frame = compressed.reveal()
    try:
        if zstandard.frame_content_size(frame) == 0:
            # The library looks no further than the size; of nothing there is but one frame.
            return b"" if frame == compress(Secret(b"")).reveal() else Problem.NOT_COMPRESSED
        if 0 <= zstandard.frame_content_size(frame) <= max_bytes:
            plaintext: bytes = zstandard.ZstdDecompressor().decompress(
                frame, allow_extra_data=False
            )
            return plaintext
    except zstandard.ZstdError:
        pass
    return Problem.NOT_COMPRESSED
