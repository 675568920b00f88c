"""The storing transaction alone: ready-made ciphertexts, batch after batch."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

import asyncpg

from snapshot_domain.model import (
    Ciphertext,
    DataKeyId,
    DeviceId,
    Digest,
    EncryptedSnapshot,
    SnapshotKey,
    TenantId,
    WrappedKey,
)
from snapshot_ingest.bench.floors.computing import sealed
from snapshot_ingest.bench.floors.data import Fields, compressed, in_batches, messages
from snapshot_ingest.bench.floors.order import Floor, Order
from snapshot_postgres.batch import batch_columns, place_of
from snapshot_postgres.sql import query


async def storing(order: Order) -> Callable[[], Awaitable[int]]:
    """All of them; each is newer than the one before, and changes its device's text."""
    given = messages(order)
    snapshots = _snapshots(order, given)
    batches = [
        batch_columns(sorted((snapshots[place] for place in places), key=place_of))
        for places in in_batches(len(snapshots))
    ]
    connection = await asyncpg.connect(order.access.postgres_dsn)

    async def work() -> int:
        stored = 0
        for columns in batches:
            async with connection.transaction(isolation="read_committed"):
                rows = await connection.fetch(query("store_batch"), *columns)
            stored += sum(row["answer"] == "stored" for row in rows)
        return stored

    return work


def _snapshots(order: Order, given: Sequence[Fields]) -> list[EncryptedSnapshot]:
    plain = [fields.config_text.encode() for fields in given]
    boxes = sealed(plain if order.floor is Floor.STORE_TRANSIT else compressed(plain))
    keys = {fields.tenant_id: _wrapped_key(fields.tenant_id) for fields in given}
    return [
        EncryptedSnapshot(
            SnapshotKey(
                DeviceId(fields.device_id),
                TenantId(fields.tenant_id),
                fields.collected_at,
                number + 1,
                Digest(fields.sha256_hash),
            ),
            _ciphertext(order.floor, box, keys[fields.tenant_id]),
            order.case.size_bytes,
        )
        for number, (fields, box) in enumerate(zip(given, boxes, strict=True))
    ]


def _wrapped_key(tenant_id: UUID) -> WrappedKey:
    return WrappedKey(DataKeyId(uuid4()), TenantId(tenant_id), "vault:v1:" + "A" * 120)


def _ciphertext(floor: Floor, box: str, key: WrappedKey) -> Ciphertext:
    match floor:
        case Floor.STORE_ENVELOPE:
            return Ciphertext(f"si1e:{key.key_id}:{box}", key)
        case Floor.STORE_COMPRESSED:
            return Ciphertext(f"si1z:vault:v1:{box}")
        case _:
            return Ciphertext(f"vault:v1:{box}")
