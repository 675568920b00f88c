"""StoredTexts over the backend's table and ours beside it, with the operator's role."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby

import asyncpg

from snapshot_domain.errors import Dependency
from snapshot_domain.model import (
    Ciphertext,
    DataKeyId,
    DeviceId,
    Digest,
    SnapshotId,
    TenantId,
    WrappedKey,
)
from snapshot_domain.ports import DataKeySwap, StoredText, TextSwap
from snapshot_postgres.batch import digest_bytes
from snapshot_postgres.database import Database
from snapshot_postgres.pool import Pool
from snapshot_postgres.sql import query
from snapshot_postgres.texts import (
    require_replacing,
    swapped,
    with_wrapped_keys,
    wrapped_key_of,
)

_PAGE_BYTES = 8 * 1024 * 1024


class PostgresStoredTexts:
    """Pages and swaps, one tenant at a time, as row-level security demands."""

    def __init__(self, pool: Pool, *, acquire_timeout_seconds: float = 10.0) -> None:
        self._database = Database(pool, Dependency.REPOSITORY, acquire_timeout_seconds)

    async def tenants(self) -> Sequence[TenantId]:
        """See StoredTexts."""
        rows = await self._database.ask(query("tenants", "stored_texts.sql"))
        return [TenantId(row["tenant_id"]) for row in rows]

    async def under_other_versions(
        self, tenant_id: TenantId, version: int, after: SnapshotId, limit: int
    ) -> Sequence[StoredText]:
        """See StoredTexts."""
        statement = query("under_other_versions", "stored_texts.sql")
        return await self._page(statement, tenant_id, version, after, limit)

    async def in_other_formats(
        self, tenant_id: TenantId, chosen: str, after: SnapshotId, limit: int
    ) -> Sequence[StoredText]:
        """See StoredTexts."""
        statement = query("in_other_formats", "stored_texts.sql")
        return await self._page(statement, tenant_id, chosen, after, limit)

    async def count_in_other_formats(self, tenant_id: TenantId, chosen: str) -> int:
        """See StoredTexts."""
        statement = query("count_in_other_formats", "stored_texts.sql")
        rows = await self._database.ask(statement, tenant_id, chosen)
        return int(rows[0]["texts"])

    async def rows_of_others(self, tenant_id: TenantId) -> int:
        """See StoredTexts."""
        rows = await self._database.ask(query("rows_of_others", "stored_texts.sql"), tenant_id)
        return int(rows[0]["rows"])

    async def swap(self, swaps: Sequence[TextSwap]) -> AbstractSet[SnapshotId]:
        """See StoredTexts. A transaction for each tenant."""
        done: set[SnapshotId] = set()
        in_order = sorted(swaps, key=_place_of)
        for tenant_id, of_tenant in groupby(in_order, key=lambda each: each.stored.tenant_id):
            ours = list(of_tenant)
            done |= await swapped(
                self._database,
                query("swap", "stored_texts.sql"),
                [tenant_id, *_swap_columns(ours)],
                {each.stored.snapshot_id: each.ciphertext for each in ours},
            )
        return done

    async def data_keys(
        self, tenant_id: TenantId, version: int, after: DataKeyId, limit: int
    ) -> Sequence[WrappedKey]:
        """See StoredTexts."""
        statement = query("data_keys", "stored_texts.sql")
        rows = await self._database.ask(statement, tenant_id, version, after, limit)
        return [wrapped_key_of(row) for row in rows]

    async def swap_data_keys(self, swaps: Sequence[DataKeySwap]) -> AbstractSet[DataKeyId]:
        """See StoredTexts."""
        rows = await self._database.ask(
            query("swap_data_keys", "stored_texts.sql"),
            [each.former.key_id for each in swaps],
            [each.former.text for each in swaps],
            [each.wrapped.text for each in swaps],
        )
        return {DataKeyId(row["data_key_id"]) for row in rows}

    async def versions(self, tenant_id: TenantId) -> Mapping[int, int]:
        """See StoredTexts."""
        rows = await self._database.ask(query("versions", "stored_texts.sql"), tenant_id)
        return {row["version"]: row["items"] for row in rows}

    async def check(self) -> None:
        """See StoredTexts."""
        await require_replacing(self._database)

    async def _page(
        self, statement: str, tenant_id: TenantId, *arguments: object
    ) -> list[StoredText]:
        rows = await self._database.ask(statement, tenant_id, *arguments, _PAGE_BYTES)
        texts = await with_wrapped_keys(
            self._database, [Ciphertext(row["ciphertext"]) for row in rows]
        )
        return [_stored_text(tenant_id, row, text) for row, text in zip(rows, texts, strict=True)]


def _place_of(swap: TextSwap) -> tuple[TenantId, DeviceId]:
    return swap.stored.tenant_id, swap.stored.device_id


def _swap_columns(swaps: Sequence[TextSwap]) -> list[list[object]]:
    return [
        [each.stored.snapshot_id for each in swaps],
        [each.stored.device_id for each in swaps],
        [digest_bytes(each.stored.digest) for each in swaps],
        [each.stored.ciphertext.text for each in swaps],
        [each.ciphertext.text for each in swaps],
        [each.ciphertext.format for each in swaps],
    ]


def _stored_text(tenant_id: TenantId, row: asyncpg.Record, ciphertext: Ciphertext) -> StoredText:
    return StoredText(
        snapshot_id=SnapshotId(row["snapshot_id"]),
        device_id=DeviceId(row["device_id"]),
        tenant_id=tenant_id,
        digest=Digest(row["digest"].hex()),
        ciphertext=ciphertext,
    )
