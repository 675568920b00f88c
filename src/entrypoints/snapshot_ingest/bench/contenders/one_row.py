"""Fetch what is there, commit each row by itself, acknowledge: what a latency is held against.

It encrypts nothing and compares nothing. What it stores instead of a text is filling of the same
length, so that no text is in the database in clear.
"""

import asyncio
import json
from datetime import datetime
from uuid import UUID

import asyncpg
import nats
from nats.aio.msg import Msg

from snapshot_ingest.bench.contenders.access import Access
from snapshot_ingest.bench.contenders.baseline import INSERT
from snapshot_ingest.bench.contenders.latencies import Latencies
from snapshot_ingest.bench.contenders.raw_pull import RawPull
from snapshot_ingest.bench.contenders.running import until_told_to_end

_CONNECTIONS = 8
_FETCH_AT_MOST = 200


async def run(access: Access) -> None:
    """Handles messages until it is told to end."""
    pool = await asyncpg.create_pool(
        access.postgres_dsn, min_size=_CONNECTIONS, max_size=_CONNECTIONS
    )
    client = await nats.connect(access.nats_url)
    pull = RawPull(client, access.stream, access.consumer)
    await pull.open()
    latencies = Latencies()
    room = asyncio.Semaphore(_CONNECTIONS)
    handling: set[asyncio.Task[None]] = set()

    async def handle(msg: Msg) -> None:
        try:
            given = json.loads(msg.data)
            collected_at = datetime.fromisoformat(given["collected_at"])
            await pool.execute(
                INSERT,
                UUID(given["device_id"]),
                UUID(given["tenant_id"]),
                "x" * len(given["config_text"]),
                given["sha256_hash"],
                collected_at,
            )
            latencies.add(collected_at)
            await msg.ack()
        finally:
            room.release()

    async def fetch() -> None:
        while True:
            for message in await pull.fetch(_FETCH_AT_MOST):
                await room.acquire()
                task = asyncio.create_task(handle(message))
                handling.add(task)
                task.add_done_callback(handling.discard)

    fetching = asyncio.create_task(fetch())
    await until_told_to_end()
    fetching.cancel()
    await asyncio.wait([fetching, *handling])
    await client.close()
    pool.terminate()
    latencies.write(access.latencies_file)
