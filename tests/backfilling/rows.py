"""Rows as the former subscriber left them, written quickly."""

import base64
import random
from collections.abc import Sequence
from uuid import UUID, uuid4

from attrs import frozen

from support.postgres import Database

_FILL = """
WITH device AS (
    SELECT gen_random_uuid() AS id FROM generate_series(1, $3::integer)
), registered AS (
    INSERT INTO public.devices SELECT id, $1::uuid, 'router', '192.0.2.1' FROM device
)
INSERT INTO public.router_config_snapshots
    (device_id, tenant_id, config_text, sha256_hash, collected_at, created_at)
SELECT device.id, $1, $2, encode(sha256(convert_to(device.id::text || n / 2, 'UTF8')), 'hex'),
    now() - make_interval(hours => n), now() - make_interval(hours => n)
FROM device, generate_series(1, $4::integer) AS n
"""


@frozen
class Former:
    """So many rows, shared out among so many tenants and devices, each with a text so long."""

    rows: int
    tenants: int
    rows_a_device: int
    text_bytes: int


async def write(database: Database, former: Former) -> Sequence[UUID]:
    """The tenants, once their rows are there. Every second row repeats the text before it."""
    sealed = random.Random(7).randbytes(12 + former.text_bytes + 16)
    ciphertext = f"vault:v1:{base64.b64encode(sealed).decode()}"
    devices = former.rows // former.tenants // former.rows_a_device
    tenants = [uuid4() for _ in range(former.tenants)]
    for tenant in tenants:
        await database.admin.execute("INSERT INTO tenants VALUES ($1, $2)", tenant, str(tenant))
        async with database.admin.acquire(timeout=10) as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")  # no triggers
            await connection.execute(
                _FILL, tenant, ciphertext, devices, former.rows_a_device, timeout=600
            )
    await database.admin.execute("VACUUM ANALYZE", timeout=600)
    return tenants
