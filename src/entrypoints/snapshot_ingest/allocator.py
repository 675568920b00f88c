"""Gives memory back: what a large message took does not stay with the process afterwards."""

import ctypes

# Of glibc's malloc.h; musl and macOS have no mallopt.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_LARGE_BYTES = 512 * 1024
"""Above what asyncio reads from a socket at once: that would be a mapping of its own each time."""

_KEPT_BYTES = 32 * 1024 * 1024
"""More than what is in flight. Pages that went back are cleared when they are taken again, which
costs more than decoding what is written to them."""


def return_large_blocks() -> None:
    """From now on a large block goes back to the kernel when it is freed, where glibc is in use.

    On its own, glibc takes blocks of up to 32 MiB from its heaps once a few were freed, one heap
    a thread, and the heaps keep their size. Of small blocks, which come and go all the time, a
    bounded amount is kept, in one heap: what one thread made, another one frees. It concerns the
    whole process, so only the standalone worker calls it, and never the library in somebody
    else's process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_ARENA_MAX, 1)
