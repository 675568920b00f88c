"""One message at a time, as the subscriber did that this project takes the place of.

Its NATS connection and its PostgreSQL pool are kept; the OpenBao client is new for each message.
"""

import asyncio
import json
from base64 import b64encode
from datetime import datetime
from uuid import UUID

import asyncpg
import hvac
import nats
from nats.aio.msg import Msg

from snapshot_ingest.bench.contenders.access import Access
from snapshot_ingest.bench.contenders.latencies import Latencies
from snapshot_ingest.bench.contenders.running import until_told_to_end

NEWEST = """
SELECT sha256_hash FROM router_config_snapshots
WHERE device_id = $1 ORDER BY collected_at DESC LIMIT 1
"""
INSERT = """
INSERT INTO router_config_snapshots (device_id, tenant_id, config_text, sha256_hash, collected_at)
VALUES ($1, $2, $3, $4, $5)
"""


async def run(access: Access) -> None:
    """Handles messages until it is told to end."""
    pool = await asyncpg.create_pool(access.postgres_dsn, min_size=2, max_size=4)
    client = await nats.connect(access.nats_url)

    latencies = Latencies()

    async def handle(msg: Msg) -> None:
        given = json.loads(msg.data)
        collected_at = datetime.fromisoformat(given["collected_at"])
        device_id = UUID(given["device_id"])
        newest = await pool.fetchval(NEWEST, device_id)
        if newest != given["sha256_hash"]:
            tenant_id = UUID(given["tenant_id"])
            ciphertext = await asyncio.to_thread(_encrypt, access, tenant_id, given["config_text"])
            await pool.execute(
                INSERT,
                device_id,
                tenant_id,
                ciphertext,
                given["sha256_hash"],
                collected_at,
            )
            latencies.add(collected_at)
        await msg.ack()

    await client.subscribe(access.push_subject, cb=handle)
    await until_told_to_end()
    await client.close()
    pool.terminate()
    latencies.write(access.latencies_file)


def _encrypt(access: Access, tenant_id: UUID, text: str) -> str:
    client = hvac.Client(url=access.openbao_url, token=access.openbao_token)
    answer = client.secrets.transit.encrypt_data(
        name=f"tenant_{tenant_id}", plaintext=b64encode(text.encode()).decode()
    )
    ciphertext: str = answer["data"]["ciphertext"]
    return ciphertext
