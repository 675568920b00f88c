"""What the operator's adapters have in common: the right to replace, texts and their data keys."""

from collections.abc import Mapping, Sequence

import asyncpg
from attrs import evolve

from snapshot_domain.errors import Dependency, Misconfigured
from snapshot_domain.model import Ciphertext, DataKeyId, SnapshotId, TenantId, WrappedKey
from snapshot_postgres.batch import data_key_columns
from snapshot_postgres.database import Database
from snapshot_postgres.errors import Fault
from snapshot_postgres.health import APPLIED_MIGRATIONS, require_rights
from snapshot_postgres.pool import PooledConnection
from snapshot_postgres.sql import query

_RIGHTS = (
    ("public.router_config_snapshots", "SELECT"),
    ("snapshot_ingest.heads", "UPDATE"),
    ("snapshot_ingest.snapshots", "UPDATE"),
    ("snapshot_ingest.data_keys", "INSERT"),
    ("snapshot_ingest.data_keys", "UPDATE"),
    APPLIED_MIGRATIONS,
)


async def require_replacing(database: Database) -> None:
    """Raises `Misconfigured` unless the role may replace texts and digests; or `Unavailable`."""
    await require_rights(database, _RIGHTS, role="operator")
    rows = await database.ask(query("may_replace_texts", "stored_texts.sql"))
    if not rows[0]["may"]:
        raise Misconfigured(
            Dependency.REPOSITORY,
            "the role lacks UPDATE (config_text, sha256_hash) on public.router_config_snapshots",
            next_step="have the table's owner run deploy/postgres/operator.sql",
        )


async def with_wrapped_keys(
    database: Database, texts: Sequence[Ciphertext]
) -> Sequence[Ciphertext]:
    """The texts in their order, each under a data key together with that."""
    named = [key_id for text in texts if (key_id := text.data_key_id) is not None]
    if not named:
        return texts
    rows = await database.ask(query("wrapped_keys", "stored_texts.sql"), named)
    keys = {key.key_id: key for key in map(wrapped_key_of, rows)}
    return [
        text if text.data_key_id is None else evolve(text, wrapped_key=keys.get(text.data_key_id))
        for text in texts
    ]


async def swapped(
    database: Database,
    statement: str,
    arguments: Sequence[object],
    ciphertexts: Mapping[SnapshotId, Ciphertext],
) -> set[SnapshotId]:
    """Runs a swap, and keeps the data keys of what was swapped in the same transaction.

    Returns whose were swapped. Raises `Unavailable` or `Misconfigured`.
    """

    async def swap(connection: PooledConnection) -> list[asyncpg.Record]:
        rows = await connection.fetch(statement, *arguments)
        done = [ciphertexts.get(SnapshotId(row["snapshot_id"])) for row in rows]
        keys = data_key_columns([each for each in done if each is not None])
        await connection.execute(query("keep_data_keys", "stored_texts.sql"), *keys)
        return rows

    result = await database.transact(swap)
    if isinstance(result, Fault):
        raise result.as_error(Dependency.REPOSITORY)
    return {SnapshotId(row["snapshot_id"]) for row in result}


def wrapped_key_of(row: asyncpg.Record) -> WrappedKey:
    """The data key in a row."""
    return WrappedKey(DataKeyId(row["data_key_id"]), TenantId(row["tenant_id"]), row["wrapped_key"])
