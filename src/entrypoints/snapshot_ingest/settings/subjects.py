"""Subjects of NATS: whether two of them have a message in common."""

from itertools import zip_longest


def overlap(one: str, other: str) -> bool:
    """Whether some subject matches both patterns, in which `*` is a token and `>` the rest.

    >>> overlap("config.snapshot.>", "snapshot_ingest.stored.>")
    False
    >>> overlap("*.stored.*", "snapshot_ingest.stored.>")
    True
    >>> overlap("snapshot_ingest.stored", "snapshot_ingest.stored.>")
    False
    """
    for first, second in zip_longest(one.split("."), other.split(".")):
        if first is None or second is None:
            return False
        if ">" in (first, second):
            return True
        if first != second and "*" not in (first, second):
            return False
    return True
