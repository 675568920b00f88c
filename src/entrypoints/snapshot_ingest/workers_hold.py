"""How long a worker may hold something that a key sealed before it was rotated."""

from datetime import timedelta

from snapshot_ingest.settings import Settings
from snapshot_openbao import Timing

_TRANSACTIONS = 3  # as it is, once more without a device that has gone, and in parts
_TRIES = 4
_CONNECTION_SECONDS = 10.0
_COMMAND_SECONDS = 30.0


def longest_in_hand(settings: Settings) -> timedelta:
    """The lifetime of a data key, and the longest time from its last use to the commit.

    That is, each at its timeout: for data keys, all batches in flight and the sweep wait for
    OpenBao one after the other, 24 s a call; then PostgreSQL, three transactions of four tries
    of 40 s. With the usual settings 15 min + 5 x 24 s + 12 x 40 s = 25 min. What waits for
    nobody is taken to need no time: BEGIN, COMMIT, and the savepoints of a batch in parts,
    whose devices are locked by then. The workers are taken to have the same settings as
    whoever asks.
    """
    return settings.cipher.data_key_lifetime + timedelta(
        seconds=(settings.worker.batches_in_flight + 1) * _call_seconds()
        + _TRANSACTIONS * _TRIES * (_CONNECTION_SECONDS + _COMMAND_SECONDS)
    )


def _call_seconds() -> float:
    """With its logins and repetitions."""
    timing = Timing()
    return timing.call_seconds + 2 * timing.request_seconds
