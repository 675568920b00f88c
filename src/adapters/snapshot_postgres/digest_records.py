"""DigestRecords over the backend's table and ours beside it, with the operator's role."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby

import asyncpg

from snapshot_domain.errors import Dependency
from snapshot_domain.model import (
    Ciphertext,
    DeviceId,
    Digest,
    DigestKeyId,
    SnapshotId,
    TenantId,
)
from snapshot_domain.ports import DigestRecord, DigestSwap
from snapshot_postgres.batch import digest_bytes
from snapshot_postgres.database import Database
from snapshot_postgres.pool import Pool
from snapshot_postgres.sql import query
from snapshot_postgres.texts import require_replacing, swapped, with_wrapped_keys

_PAGE_BYTES = 8 * 1024 * 1024


class PostgresDigestRecords:
    """Pages and swaps, one tenant at a time, as row-level security demands."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)

    async def tenants(self) -> Sequence[TenantId]:
        """See DigestRecords."""
        rows = await self._database.ask(query("tenants", "digests.sql"))
        return [TenantId(row["tenant_id"]) for row in rows]

    async def count_plain(self, tenant_id: TenantId) -> int:
        """See DigestRecords."""
        rows = await self._database.ask(query("count_plain", "digests.sql"), tenant_id)
        return int(rows[0]["digests"])

    async def plain(
        self, tenant_id: TenantId, after: SnapshotId, limit: int
    ) -> Sequence[DigestRecord]:
        """See DigestRecords."""
        statement = query("plain", "digests.sql")
        rows = await self._database.ask(statement, tenant_id, after, limit, _PAGE_BYTES)
        texts = [Ciphertext(row["envelope"]) for row in rows if row["envelope"] is not None]
        whole = iter(await with_wrapped_keys(self._database, texts))
        return [
            _record(tenant_id, row, None if row["envelope"] is None else next(whole))
            for row in rows
        ]

    async def swap(
        self, key_id: DigestKeyId, swaps: Sequence[DigestSwap]
    ) -> AbstractSet[SnapshotId]:
        """See DigestRecords. A transaction for each tenant."""
        done: set[SnapshotId] = set()
        in_order = sorted(swaps, key=_place_of)
        for tenant_id, of_tenant in groupby(in_order, key=lambda each: each.record.tenant_id):
            ours = list(of_tenant)
            done |= await swapped(
                self._database,
                query("swap", "digests.sql"),
                [tenant_id, key_id, *_swap_columns(ours)],
                {each.record.snapshot_id: new for each in ours if (new := each.ciphertext)},
            )
        return done

    async def check(self) -> None:
        """See DigestRecords."""
        await require_replacing(self._database)


def _place_of(swap: DigestSwap) -> tuple[TenantId, DeviceId]:
    return swap.record.tenant_id, swap.record.device_id


def _swap_columns(swaps: Sequence[DigestSwap]) -> list[list[object]]:
    return [
        [each.record.snapshot_id for each in swaps],
        [each.record.device_id for each in swaps],
        [digest_bytes(each.record.digest) for each in swaps],
        [digest_bytes(each.digest) for each in swaps],
        [_text_of(each.record.ciphertext) for each in swaps],
        [_text_of(each.ciphertext) for each in swaps],
    ]


def _text_of(ciphertext: Ciphertext | None) -> str | None:
    return None if ciphertext is None else ciphertext.text


def _record(
    tenant_id: TenantId, row: asyncpg.Record, ciphertext: Ciphertext | None
) -> DigestRecord:
    return DigestRecord(
        snapshot_id=SnapshotId(row["snapshot_id"]),
        device_id=DeviceId(row["device_id"]),
        tenant_id=tenant_id,
        digest=Digest(row["digest"].hex()),
        ciphertext=ciphertext,
    )
