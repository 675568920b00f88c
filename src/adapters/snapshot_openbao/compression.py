"""zstd around a plaintext: smaller before it is encrypted, and bounded when it is opened."""

import threading

import zstandard

from snapshot_domain.secret import Secret
from snapshot_openbao.errors import Problem

MAX_PLAINTEXT_BYTES = 64 * 1024 * 1024
"""No message is larger than the largest that a NATS server takes."""

_LEVEL = 3

_of_this_thread = threading.local()


def compress(plaintext: Secret) -> Secret:
    """The plaintext as one zstd frame."""
    compressor = getattr(_of_this_thread, "compressor", None)
    if compressor is None:
        # Making one costs more than using it, and none may be used by two threads at once.
        compressor = _of_this_thread.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    return Secret(compressor.compress(plaintext.reveal()))


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
