"""How far a consumer is, from what JetStream says of it and of its stream."""

from datetime import datetime

from nats.js.api import ConsumerInfo, SequenceInfo, StreamInfo

from snapshot_domain.ports import Floor
from snapshot_nats.consumer import is_of_another_stream
from snapshot_nats.errors import made_again

_NOWHERE = SequenceInfo(consumer_seq=0, stream_seq=0)


def floor_name(durable: str, filter_subject: str) -> str:
    """What a floor is kept under: it says nothing of what another filter lets through."""
    return f"{durable} {filter_subject}"


def floor_of(before: StreamInfo, consumer: ConsumerInfo, after: StreamInfo, at: datetime) -> Floor:
    """The floor from three answers in this order.

    Raises `Unavailable` if the stream was made again between them, or the consumer was made for
    another one: it would call settled whatever lies before its start.
    """
    if before.created is None or before.created != after.created:
        raise made_again()
    if is_of_another_stream(consumer.config, before.created):
        raise made_again()
    delivered = consumer.delivered or _NOWHERE
    sequence = (consumer.ack_floor or _NOWHERE).stream_seq
    last_sequence = after.state.last_seq
    return Floor(
        stream=consumer.stream_name,
        stream_created_at=before.created,
        consumer=floor_name(consumer.name, consumer.config.filter_subject or ""),
        consumer_created_at=consumer.created,
        # Nobody has settled what is not there yet: then the stream lost its end.
        sequence=sequence if sequence <= last_sequence else 0,
        delivered_sequence=delivered.stream_seq,
        deliveries=delivered.consumer_seq,
        pending=consumer.num_pending or 0,
        first_sequence=before.state.first_seq,
        last_sequence=last_sequence,
        at=at,
    )
