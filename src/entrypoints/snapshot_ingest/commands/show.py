"""`snapshot-ingest show`: one stored snapshot, decrypted with the reader's role."""

import sys
from uuid import UUID

from snapshot_domain.errors import SnapshotIngestError
from snapshot_domain.model import DeviceId, SnapshotId, configuration_aad
from snapshot_domain.ports import DecryptorItem, TenantKey
from snapshot_domain.secret import Secret
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import openbao, postgres_pool
from snapshot_ingest.settings import Settings
from snapshot_openbao import TransitDecryptor
from snapshot_postgres import PostgresSnapshotReader, StoredSnapshot


class ShowError(SnapshotIngestError):
    """The snapshot cannot be shown."""


async def show(settings: Settings, which: str) -> None:
    """Writes the text of the snapshot, or of the device's newest one, to standard output."""
    stored = await _find(settings, _uuid_of(which))
    plaintext = await _decrypt(settings, stored)
    # Beside `quarantine show --reveal`, the only place where plaintext is shown: a person with
    # the reader's role asked for it.
    sys.stdout.buffer.write(plaintext.reveal())
    sys.stdout.buffer.flush()


def _uuid_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        pass
    raise ShowError(f"{text!r} is no UUID", expected="the id of a device or of a snapshot")


async def _find(settings: Settings, which: UUID) -> StoredSnapshot:
    async with postgres_pool("reader.postgres", settings.reader.postgres) as pool:
        reader = PostgresSnapshotReader(pool)
        stored = await reader.snapshot(SnapshotId(which)) or await reader.newest_of(DeviceId(which))
    if stored is None:
        raise ShowError(
            f"nothing is stored for {which}", expected="the id of a device or of a snapshot"
        )
    return stored


async def _decrypt(settings: Settings, stored: StoredSnapshot) -> Secret:
    aad = configuration_aad(stored.tenant_id, stored.device_id, stored.digest)
    item = DecryptorItem(TenantKey(stored.tenant_id), stored.ciphertext, aad)
    clock = SystemClock()
    async with openbao("reader.openbao", settings.reader.openbao, settings, clock) as bao:
        (answer,) = await TransitDecryptor(bao, mount=settings.openbao.mount).decrypt([item])
    if isinstance(answer, Secret):
        return answer
    raise answer
