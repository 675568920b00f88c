"""StoredTexts over the backend's table and ours beside it, with the operator's role."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby

import asyncpg
from attrs import evolve

from snapshot_domain.errors import Dependency, Misconfigured
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
from snapshot_postgres.batch import data_key_columns
from snapshot_postgres.database import Database
from snapshot_postgres.errors import Fault
from snapshot_postgres.health import APPLIED_MIGRATIONS, require_rights
from snapshot_postgres.pool import Pool, PooledConnection
from snapshot_postgres.sql import query

_PAGE_BYTES = 8 * 1024 * 1024
_RIGHTS = (
    ("public.router_config_snapshots", "SELECT"),
    ("snapshot_ingest.heads", "UPDATE"),
    ("snapshot_ingest.snapshots", "UPDATE"),
    ("snapshot_ingest.data_keys", "INSERT"),
    ("snapshot_ingest.data_keys", "UPDATE"),
    APPLIED_MIGRATIONS,
)


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
        swapped: set[SnapshotId] = set()
        in_order = sorted(swaps, key=_place_of)
        for tenant_id, of_tenant in groupby(in_order, key=lambda each: each.stored.tenant_id):
            swapped |= await self._swap(tenant_id, list(of_tenant))
        return swapped

    async def data_keys(
        self, tenant_id: TenantId, version: int, after: DataKeyId, limit: int
    ) -> Sequence[WrappedKey]:
        """See StoredTexts."""
        statement = query("data_keys", "stored_texts.sql")
        rows = await self._database.ask(statement, tenant_id, version, after, limit)
        return [_wrapped_key(row) for row in rows]

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
        await require_rights(self._database, _RIGHTS, role="operator")
        rows = await self._database.ask(query("may_replace_texts", "stored_texts.sql"))
        if not rows[0]["may"]:
            raise Misconfigured(
                Dependency.REPOSITORY,
                "the role lacks UPDATE (config_text, sha256_hash) on "
                "public.router_config_snapshots",
                next_step="have the table's owner run deploy/postgres/operator.sql",
            )

    async def _page(
        self, statement: str, tenant_id: TenantId, *arguments: object
    ) -> list[StoredText]:
        rows = await self._database.ask(statement, tenant_id, *arguments, _PAGE_BYTES)
        texts = [_stored_text(tenant_id, row) for row in rows]
        named = [key_id for each in texts if (key_id := each.ciphertext.data_key_id) is not None]
        if not named:
            return texts
        rows = await self._database.ask(query("wrapped_keys", "stored_texts.sql"), named)
        keys = {key.key_id: key for key in map(_wrapped_key, rows)}
        return [_with_key(each, keys) for each in texts]

    async def _swap(self, tenant_id: TenantId, swaps: Sequence[TextSwap]) -> set[SnapshotId]:
        async def swap(connection: PooledConnection) -> list[asyncpg.Record]:
            rows = await connection.fetch(
                query("swap", "stored_texts.sql"), tenant_id, *_swap_columns(swaps)
            )
            keys = data_key_columns([each.ciphertext for each in swaps])
            await connection.execute(query("keep_data_keys", "stored_texts.sql"), *keys)
            return rows

        result = await self._database.transact(swap)
        if isinstance(result, Fault):
            raise result.as_error(Dependency.REPOSITORY)
        return {SnapshotId(row["snapshot_id"]) for row in result}


def _place_of(swap: TextSwap) -> tuple[TenantId, DeviceId]:
    return swap.stored.tenant_id, swap.stored.device_id


def _swap_columns(swaps: Sequence[TextSwap]) -> list[list[object]]:
    return [
        [each.stored.snapshot_id for each in swaps],
        [each.stored.device_id for each in swaps],
        [each.stored.ciphertext.text for each in swaps],
        [each.ciphertext.text for each in swaps],
        [each.ciphertext.format for each in swaps],
    ]


def _stored_text(tenant_id: TenantId, row: asyncpg.Record) -> StoredText:
    return StoredText(
        snapshot_id=SnapshotId(row["snapshot_id"]),
        device_id=DeviceId(row["device_id"]),
        tenant_id=tenant_id,
        digest=Digest(row["digest"].hex()),
        ciphertext=Ciphertext(row["ciphertext"]),
    )


def _with_key(text: StoredText, keys: Mapping[DataKeyId, WrappedKey]) -> StoredText:
    key_id = text.ciphertext.data_key_id
    key = None if key_id is None else keys.get(key_id)
    return evolve(text, ciphertext=evolve(text.ciphertext, wrapped_key=key))


def _wrapped_key(row: asyncpg.Record) -> WrappedKey:
    return WrappedKey(DataKeyId(row["data_key_id"]), TenantId(row["tenant_id"]), row["wrapped_key"])
