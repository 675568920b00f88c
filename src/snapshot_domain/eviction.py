"""What a stream discarded before it was delivered, from two looks at its consumer.

A stream that is full discards its oldest messages, read or not, and tells nobody. What can be
seen is that fewer messages are pending than before although too few were delivered. On a stream
that is shared, the sequences that went say less: they may have been others' messages.
"""

from attrs import frozen

from snapshot_domain.ports import Floor


@frozen
class Eviction:
    """The bounds of how many messages were discarded before they were delivered."""

    at_least: int
    at_most: int


NOTHING_EVICTED = Eviction(0, 0)


def eviction_between(former: Floor, floor: Floor) -> Eviction:
    """The bounds for the time between two looks; nothing can be said across another consumer,
    or where the stream lost its end.

    `at_least` is what neither deliveries nor arrivals explain, so messages that arrive hide some
    of it. `at_most` counts the sequences, whosever they were, that went from the stream's start
    and were not delivered; it can miss what went between the questions of one look, which are
    milliseconds apart.
    """
    is_cut_off = former.is_cut_off_in(floor.stream_created_at, floor.last_sequence)
    if is_cut_off or _consumer(former) != _consumer(floor):
        return NOTHING_EVICTED
    gone = former.pending - floor.pending
    if floor.first_sequence > former.last_sequence:
        # All that was there is gone: whatever is pending now arrived since, and hides nothing.
        gone = former.pending
    at_least = max(0, gone - _first_deliveries_at_most(former, floor))
    undelivered_from = max(former.first_sequence, former.delivered_sequence + 1)
    return Eviction(at_least, max(at_least, floor.first_sequence - undelivered_from))


def _first_deliveries_at_most(former: Floor, floor: Floor) -> int:
    """How many messages can have been delivered for the first time.

    Redeliveries are among the deliveries, and others' messages among the sequences.
    """
    deliveries = floor.deliveries - former.deliveries
    sequences = floor.delivered_sequence - former.delivered_sequence
    return min(deliveries, sequences)


def _consumer(floor: Floor) -> tuple[object, ...]:
    return (floor.stream, floor.stream_created_at, floor.consumer, floor.consumer_created_at)
