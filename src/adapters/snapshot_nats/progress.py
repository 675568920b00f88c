"""How far a consumer is, for a person who asks: counts only, no message."""

from attrs import frozen
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from snapshot_nats.client import SafeClient
from snapshot_nats.errors import ask

_COUNTING_SECONDS = 10.0


@frozen
class ConsumerProgress:
    """Figures of one moment.

    `deliveries` counts every delivery to any worker since the consumer was made, `pending`
    the messages that were never delivered, `unsettled` those delivered and not yet settled.
    `last_sequence` is the stream's.
    """

    deliveries: int
    pending: int
    unsettled: int
    last_sequence: int


async def consumer_progress(client: SafeClient, stream: str, durable: str) -> ConsumerProgress:
    """The consumer's figures now. Raises `Unavailable` or `Misconfigured`."""
    jetstream = client.jetstream()
    info = await ask(jetstream.consumer_info(stream, durable), "looking at the consumer")
    state = (await ask(jetstream.stream_info(stream), "looking at the stream")).state
    return ConsumerProgress(
        deliveries=info.delivered.consumer_seq if info.delivered else 0,
        pending=info.num_pending or 0,
        unsettled=info.num_ack_pending or 0,
        last_sequence=state.last_seq,
    )


async def messages_from(client: SafeClient, stream: str, subject: str, sequence: int) -> int:
    """How many messages on the subject the stream holds from this sequence on.

    JetStream counts them for a consumer that is made for the purpose and deleted at once.
    Raises `Unavailable` or `Misconfigured`.
    """
    jetstream = client.jetstream()
    config = ConsumerConfig(
        ack_policy=AckPolicy.NONE,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=max(sequence, 1),
        filter_subject=subject,
        inactive_threshold=_COUNTING_SECONDS,
        mem_storage=True,
    )
    info = await ask(jetstream.add_consumer(stream, config), "counting messages")
    await ask(jetstream.delete_consumer(stream, info.name), "counting messages")
    return info.num_pending or 0
