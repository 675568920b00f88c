"""The choices an operator has in what becomes of a message."""

from datetime import timedelta
from enum import StrEnum

from attrs import frozen


class HashPolicy(StrEnum):
    """What to do with the poller's digest.

    The poller's JSON encoder replaces bytes that are not UTF-8 after hashing, so that the
    digest of such a device differs honestly from that of the received text.
    """

    TRUST = "trust"
    """Take it as it is."""
    AUDIT = "audit"
    """Compare it with the text, and count those that differ."""
    ENFORCE = "enforce"
    """Reject a message whose digest is not that of its text."""


class OnRejected(StrEnum):
    """What to do with a message that cannot be ingested."""

    QUARANTINE = "quarantine"
    """Seal it and keep it for a person to look at."""
    DISCARD = "discard"
    """Warn, count it, and forget it."""


@frozen
class IngestPolicy:
    """The policy of one IngestSnapshot.

    `orphan_grace` is how long a device may take to appear after its first snapshot; while it
    is zero nothing waits for that. `max_clock_ahead` is how far a poller's clock may be ahead of
    the stream's.
    """

    hash_policy: HashPolicy = HashPolicy.TRUST
    on_rejected: OnRejected = OnRejected.QUARANTINE
    orphan_grace: timedelta = timedelta(minutes=10)
    max_clock_ahead: timedelta = timedelta(minutes=10)
