"""Fills a database with stored texts, without ingesting each of them."""

import random
from collections.abc import Sequence
from uuid import uuid4

from attrs import frozen

from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports import TenantKey
from snapshot_domain.secret import Secret
from snapshot_openbao.compression import compress
from support.openbao import RawOpenBao
from support.postgres import Database

TEXT_BYTES = 2_048
ROWS_A_DATA_KEY = 100

_FILL = """
WITH made AS (
    SELECT gen_random_uuid() AS id, gen_random_uuid() AS device, n
    FROM generate_series(1, $4::integer) AS n
), devices AS (
    INSERT INTO public.devices SELECT device, $1::uuid, 'router', '192.0.2.1' FROM made
), rows AS (
    INSERT INTO public.router_config_snapshots
        (id, device_id, tenant_id, config_text, sha256_hash, collected_at)
    SELECT id, device, $1, ($2::text[])[1 + n % cardinality($2::text[])], repeat('a', 64), now()
    FROM made
), heads AS (
    INSERT INTO snapshot_ingest.heads
    SELECT device, id, $1, decode(repeat('aa', 32), 'hex'), now(), n FROM made
)
INSERT INTO snapshot_ingest.snapshots
SELECT id, device, $1, decode(repeat('aa', 32), 'hex'), now(), n, now(), n, 2048, 2048, $3, 0
FROM made
"""


@frozen
class Filling:
    """So many rows of one format, shared out among so many tenants."""

    rows: int
    tenants: int
    format: str


async def fill(database: Database, raw: RawOpenBao, filling: Filling) -> Sequence[TenantId]:
    """The tenants, once their rows are there; each has a key under version 1."""
    tenants = []
    for _ in range(filling.tenants):
        tenant_id = await raw.new_tenant()
        rows = filling.rows // filling.tenants
        texts = await _texts(database, raw, tenant_id, filling.format, rows)
        await fill_tenant(database, tenant_id, texts, rows, filling.format)
        tenants.append(tenant_id)
    await database.admin.execute("ANALYZE", timeout=600)
    return tenants


async def fill_tenant(
    database: Database, tenant_id: TenantId, texts: Sequence[str], rows: int, chosen: str
) -> None:
    """Gives the tenant so many rows, one a device, which take the texts in turn."""
    async with database.admin.acquire(timeout=10) as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")  # no triggers
        await connection.execute(_FILL, tenant_id, texts, chosen, rows, timeout=600)


async def _texts(
    database: Database, raw: RawOpenBao, tenant_id: TenantId, chosen: str, rows: int
) -> list[str]:
    """One ciphertext, or one for each data key that so many rows would have."""
    plaintext = random.Random(7).randbytes(TEXT_BYTES // 2).hex().encode()
    key = TenantKey(tenant_id)
    if chosen == "transit":
        return [(await raw.encrypt(key, plaintext)).text]
    if chosen == "compressed":
        compressed = compress(Secret(plaintext)).reveal()
        return [f"si1z:{(await raw.encrypt(key, compressed)).text}"]
    wrapped: Ciphertext = await raw.encrypt(key, bytes(32))
    key_ids = [uuid4() for _ in range(-(-rows // ROWS_A_DATA_KEY))]
    await database.admin.execute(
        "INSERT INTO snapshot_ingest.data_keys SELECT unnest($1::uuid[]), $2, $3",
        key_ids,
        tenant_id,
        wrapped.text,
    )
    return [f"si1e:{key_id}:{'A' * TEXT_BYTES}" for key_id in key_ids]
