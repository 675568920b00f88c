"""Fetch and ack alone: a pull, an ack for each message, and one flush a batch."""

from collections.abc import Awaitable, Callable

import nats

from snapshot_ingest.bench.contenders.raw_pull import RawPull
from snapshot_ingest.bench.floors.order import BATCH, Order

_ACK = b"+ACK"


async def fetching(order: Order) -> Callable[[], Awaitable[int]]:
    """All that is on the stream."""
    client = await nats.connect(order.access.nats_url)
    pull = RawPull(client, order.access.stream, order.access.consumer)
    await pull.open()

    async def work() -> int:
        done = 0
        while done < order.messages:
            fetched = await pull.fetch(BATCH)
            for message in fetched:
                await client.publish(message.reply, _ACK)
            await client.flush()
            done += len(fetched)
        return done

    return work
