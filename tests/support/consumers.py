"""What befalls a consumer of a test, and the floor that it is at."""

from datetime import UTC, datetime

from snapshot_conformance.message_source import eventually, fetch_count
from snapshot_domain.delivery import Ack
from snapshot_domain.ports import Floor
from snapshot_nats import JetStreamSource, StreamShape, ensure_stream
from support.nats_server import Place


async def look(source: JetStreamSource) -> Floor:
    """How far its consumer is now."""
    return await source.floor(datetime.now(UTC))


async def settle_some(place: Place, source: JetStreamSource, published: int, settled: int) -> Floor:
    """Publishes, delivers all and settles the first ones; returns the floor that is reached."""
    await place.publish(*(b"%d" % number for number in range(published)))
    deliveries = await fetch_count(source, published)
    await source.settle([(delivery, Ack()) for delivery in deliveries[:settled]])

    async def holds() -> bool:
        return (await look(source)).sequence == settled

    await eventually(holds)
    return await look(source)


async def make_stream_again(place: Place) -> None:
    """Deletes the stream, its consumer with it, and makes an empty one of that name."""
    await place.jetstream.delete_stream(place.stream)
    await ensure_stream(
        place.client, StreamShape(name=place.stream, subjects=(f"{place.family}.>",))
    )


async def delete_consumer(place: Place) -> None:
    """Deletes the consumer alone."""
    await place.jetstream.delete_consumer(place.stream, place.durable)
