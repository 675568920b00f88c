"""Reads from the servers what is there in the end: every row, opened with the reader's role."""

import hashlib
from collections.abc import Sequence

import asyncpg
from attrs import frozen

from chaos.verdict import Evidence, KeptRow, StoredRow
from chaos.world import World
from snapshot_domain.delivery import Origin
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports.cipher import OwnKey, TenantKey
from snapshot_domain.ports.decryptor import DecryptorItem
from snapshot_domain.rejection import quarantine_aad
from snapshot_domain.secret import Secret
from snapshot_ingest.clock import SystemClock
from snapshot_openbao import Address, OpenBao, TransitDecryptor
from snapshot_postgres import Connection, connected
from support.openbao import login_of

_BATCH = 100

_STORED_SQL = """
    SELECT row.device_id, row.tenant_id, row.collected_at, row.sha256_hash, row.config_text,
           run.last_seen
    FROM router_config_snapshots AS row
    LEFT JOIN snapshot_ingest.snapshots AS run
        ON run.snapshot_id = row.id AND run.device_id = row.device_id
        AND run.collected_at = row.collected_at
"""
_KEPT_SQL = """
    SELECT stream, stream_created_at, sequence, reason, ciphertext
    FROM snapshot_ingest.quarantine
"""


async def gather(world: World) -> Evidence:
    """Everything that is stored or kept. Raises what the drivers raise: nothing is down now."""
    addresses = world.stack.addresses
    reader = login_of(addresses.reader_approle)
    async with (
        OpenBao(Address(addresses.openbao_url), reader, SystemClock()) as openbao,
        connected(addresses.postgres_admin_dsn) as connection,
    ):
        opener = _Opener(TransitDecryptor(openbao))
        return Evidence(await _stored(connection, opener), await _kept(connection, opener))


@frozen
class _Opener:
    """Opens ciphertexts, and keeps nothing of them but digests."""

    decryptor: TransitDecryptor

    async def digests(self, items: Sequence[DecryptorItem]) -> list[str | None]:
        """The SHA-256 of what each opens to; None where it does not."""
        found: list[str | None] = []
        for first in range(0, len(items), _BATCH):
            answers = await self.decryptor.decrypt(items[first : first + _BATCH])
            found += [
                hashlib.sha256(answer.reveal()).hexdigest() if isinstance(answer, Secret) else None
                for answer in answers
            ]
        return found


async def _stored(connection: Connection, opener: _Opener) -> Sequence[StoredRow]:
    rows = await connection.fetch(_STORED_SQL)
    items = [
        DecryptorItem(TenantKey(TenantId(row["tenant_id"])), Ciphertext(row["config_text"]))
        for row in rows
    ]
    return [
        StoredRow(
            device_id=row["device_id"],
            tenant_id=row["tenant_id"],
            collected_at=row["collected_at"],
            digest=row["sha256_hash"],
            opened_digest=opened,
            last_seen=row["last_seen"],
        )
        for row, opened in zip(rows, await opener.digests(items), strict=True)
    ]


async def _kept(connection: Connection, opener: _Opener) -> Sequence[KeptRow]:
    rows = await connection.fetch(_KEPT_SQL)
    digests = await opener.digests([_kept_item(row) for row in rows])
    return [
        KeptRow(row["sequence"], row["reason"], opened)
        for row, opened in zip(rows, digests, strict=True)
    ]


def _kept_item(row: asyncpg.Record) -> DecryptorItem:
    origin = Origin(row["stream"], row["stream_created_at"], row["sequence"])
    return DecryptorItem(
        OwnKey.QUARANTINE, Ciphertext(row["ciphertext"] or ""), quarantine_aad(origin)
    )
