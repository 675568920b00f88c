"""How long a worker may hold something that a key sealed before it was rotated."""

from datetime import timedelta

from snapshot_ingest.settings import Settings

# A batch waits at most for OpenBao (two calls), for PostgreSQL (four tries) and for a thread.
_BATCH_AT_MOST = timedelta(minutes=5)


def longest_in_hand(settings: Settings) -> timedelta:
    """The lifetime of a data key, and the longest time that a batch may be in hand.

    The workers are taken to have the same settings as whoever asks.
    """
    return settings.cipher.data_key_lifetime + _BATCH_AT_MOST
