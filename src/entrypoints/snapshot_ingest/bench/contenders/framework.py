"""The same job as a subscriber of FastStream, as its documentation would have it."""

import asyncio
from base64 import b64encode
from datetime import datetime
from uuid import UUID

import asyncpg
import hvac
from faststream import FastStream
from faststream.nats import JStream, NatsBroker, PullSub
from pydantic import BaseModel

from snapshot_ingest.bench.contenders.access import Access
from snapshot_ingest.bench.contenders.baseline import INSERT, NEWEST
from snapshot_ingest.bench.contenders.latencies import Latencies
from snapshot_ingest.bench.contenders.running import until_told_to_end


class SnapshotMessage(BaseModel):
    """The message's fields."""

    device_id: UUID
    tenant_id: UUID
    collected_at: datetime
    sha256_hash: str
    config_text: str


async def run(access: Access) -> None:
    """Handles messages until it is told to end."""
    pool = await asyncpg.create_pool(access.postgres_dsn, min_size=2, max_size=8)
    openbao = hvac.Client(url=access.openbao_url, token=access.openbao_token)
    broker = NatsBroker(access.nats_url, logger=None)
    app = FastStream(broker, logger=None)
    latencies = Latencies()

    @broker.subscriber(
        access.subject,
        stream=JStream(access.stream, declare=False),
        durable=access.consumer,
        pull_sub=PullSub(),
    )
    async def handle(message: SnapshotMessage) -> None:
        newest = await pool.fetchval(NEWEST, message.device_id)
        if newest == message.sha256_hash:
            return
        answer = await asyncio.to_thread(
            openbao.secrets.transit.encrypt_data,
            name=f"tenant_{message.tenant_id}",
            plaintext=b64encode(message.config_text.encode()).decode(),
        )
        await pool.execute(
            INSERT,
            message.device_id,
            message.tenant_id,
            answer["data"]["ciphertext"],
            message.sha256_hash,
            message.collected_at,
        )
        latencies.add(message.collected_at)

    await app.start()
    await until_told_to_end()
    await app.stop()
    pool.terminate()
    latencies.write(access.latencies_file)
