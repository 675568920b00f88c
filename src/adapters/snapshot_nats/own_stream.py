"""A stream for snapshots alone, beside the shared one, so that telemetry cannot push them out."""

from datetime import timedelta

from attrs import frozen
from nats.js.api import StreamConfig, StreamSource

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_nats.client import SafeClient
from snapshot_nats.consumer import DEFAULT_FILTER, find_consumer
from snapshot_nats.stream import DEFAULT_STREAM, bounded, found_or_made

DEFAULT_OWN_STREAM = "CONFIG_SNAPSHOTS"


@frozen(kw_only=True)
class OwnStreamShape:
    """A stream that takes the snapshots out of `shared` as they come in, and listens to nobody.

    Within `max_age` and `max_bytes` it keeps them, whatever becomes of the shared stream.
    """

    name: str = DEFAULT_OWN_STREAM
    shared: str = DEFAULT_STREAM
    filter_subject: str = DEFAULT_FILTER
    max_age: timedelta
    max_bytes: int

    def config(self, settled: int = 0) -> StreamConfig:
        """The stream to make, which leaves out what is settled of the shared one."""
        source = StreamSource(
            name=self.shared,
            filter_subject=self.filter_subject,
            opt_start_seq=settled + 1 if settled else None,
        )
        return bounded(self.name, self.max_age, self.max_bytes).evolve(sources=[source])


async def ensure_own_stream(client: SafeClient, shape: OwnStreamShape, durable: str) -> None:
    """Makes the stream if it is missing; an existing one is compared and never altered.

    It begins after the ack floor of the consumer `durable` of the shared stream, if there is
    one: with its new sequence, a message that is stored already would look like a late one.
    Its bounds may be others. Raises `Misconfigured` if it does not take its messages from the
    shared stream alone, or JetStream refuses, and `Unavailable` when JetStream does not answer.
    """
    consumer = await find_consumer(client.jetstream(), shape.shared, durable)
    floor = consumer.ack_floor if consumer is not None else None
    config = shape.config(settled=floor.stream_seq if floor is not None else 0)
    found = (await found_or_made(client, shape.name, config)).config
    sources = [(source.name, source.filter_subject) for source in found.sources or ()]
    if sources != [(shape.shared, shape.filter_subject)] or found.subjects:
        raise Misconfigured(
            Dependency.SOURCE,
            f"there is a stream {shape.name} already that takes other messages",
            expected=f"{shape.filter_subject} of the stream {shape.shared} as its only source",
            next_step="choose another name for nats.stream, or delete that stream if it is not "
            "needed",
        )
