"""Python's collector of cycles: run rarely in a worker, whose messages make none."""

import gc

_YOUNG_OBJECTS = 50_000


def collect_rarely() -> None:
    """From now on the collector leaves alone what was made so far, and looks less often.

    What a batch is made of is freed by counting references. By default the collector looks
    through all that is in hand several times a batch and finds nothing. It concerns the whole
    process, so only the standalone worker calls it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
