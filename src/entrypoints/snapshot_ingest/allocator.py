"""Gives memory back: what a large message took does not stay with the process afterwards."""

import ctypes

# Of glibc's malloc.h; musl and macOS have no mallopt.
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 256 * 1024


def return_large_blocks() -> None:
    """From now on a large block goes back to the kernel when it is freed, where glibc is in use.

    On its own, glibc takes blocks of up to 32 MiB from its heaps once a few were freed, one heap
    a thread, and the heaps keep their size. It concerns the whole process, so only the standalone
    worker calls it, and never the library in somebody else's process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
