"""Reads from the servers what is there in the end: every row, opened with the role that may."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
from attrs import frozen

from chaos.verdict import Evidence, KeptRow, StoredRow
from chaos.world import World
from snapshot_domain.delivery import Origin
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports.cipher import OwnKey, TenantKey
from snapshot_domain.ports.decryptor import DecryptorItem
from snapshot_domain.rejection import quarantine_aad, quarantine_key
from snapshot_domain.secret import Secret
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.stack import AppRole
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
    WHERE waiting = $1
"""
_ASTRAY_SQL = """
    SELECT head.device_id
    FROM snapshot_ingest.heads AS head
    WHERE head.snapshot_id IS DISTINCT FROM (
        SELECT run.snapshot_id FROM snapshot_ingest.snapshots AS run
        WHERE run.device_id = head.device_id
        ORDER BY run.collected_at DESC, run.sequence DESC, run.snapshot_id DESC
        LIMIT 1)
"""


async def gather(world: World) -> Evidence:
    """Everything that is stored or kept. Raises what the drivers raise: nothing is down now."""
    addresses = world.stack.addresses
    async with (
        _opener(addresses.openbao_url, addresses.reader_approle) as reader,
        # What waits in the quarantine is the one thing that only the ingest role may open.
        _opener(addresses.openbao_url, addresses.ingest_approle) as ingest,
        connected(addresses.postgres_admin_dsn) as connection,
    ):
        return Evidence(
            stored=await _stored(connection, reader),
            kept=[
                *await _kept(connection, reader, waiting=False),
                *await _kept(connection, ingest, waiting=True),
            ],
            astray_heads=[row["device_id"] for row in await connection.fetch(_ASTRAY_SQL)],
        )


@asynccontextmanager
async def _opener(url: str, role: AppRole) -> AsyncIterator["_Opener"]:
    async with OpenBao(Address(url), login_of(role), SystemClock()) as openbao:
        yield _Opener(TransitDecryptor(openbao))


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


async def _kept(connection: Connection, opener: _Opener, *, waiting: bool) -> Sequence[KeptRow]:
    rows = await connection.fetch(_KEPT_SQL, waiting)
    key = quarantine_key(waiting=waiting)
    digests = await opener.digests([_kept_item(row, key) for row in rows])
    return [
        KeptRow(row["sequence"], row["reason"], opened)
        for row, opened in zip(rows, digests, strict=True)
    ]


def _kept_item(row: asyncpg.Record, key: OwnKey) -> DecryptorItem:
    origin = Origin(row["stream"], row["stream_created_at"], row["sequence"])
    return DecryptorItem(key, Ciphertext(row["ciphertext"] or ""), quarantine_aad(origin))
