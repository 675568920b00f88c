"""A batch on its way to `store_batch` and back: as arrays, and as answers."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from snapshot_domain.model import (
    Ciphertext,
    Digest,
    EncryptedSnapshot,
    SnapshotId,
    SnapshotKey,
    StoredPosition,
)
from snapshot_domain.outcome import AlreadyStored, Orphaned, Stored, Unchanged
from snapshot_domain.ports import NeedsCiphertext, StoreAnswer


def place_of(snapshot: EncryptedSnapshot) -> tuple[object, ...]:
    """The order in which a batch is decided: by device, and then along its timeline."""
    return (snapshot.key.device_id, *snapshot.key.position)


def look_columns(keys: Sequence[SnapshotKey]) -> list[list[object]]:
    """Devices, tenants, times, sequences, digests, and the plain digests of keyed ones."""
    return [
        [key.device_id for key in keys],
        [key.tenant_id for key in keys],
        [key.collected_at for key in keys],
        [key.sequence for key in keys],
        [digest_bytes(key.digest) for key in keys],
        [None if key.keying is None else digest_bytes(key.keying.plain) for key in keys],
    ]


def key_columns(keys: Sequence[SnapshotKey]) -> list[list[object]]:
    """The same, with the digests' keys before the plain digests."""
    *columns, plain_digests = look_columns(keys)
    digest_keys: list[object] = [None if key.keying is None else key.keying.key_id for key in keys]
    return [*columns, digest_keys, plain_digests]


def digest_bytes(digest: Digest) -> bytes:
    """The digest as it is stored beside the timelines."""
    return bytes.fromhex(digest.hex)


def batch_columns(batch: Sequence[EncryptedSnapshot]) -> list[list[object]]:
    """The keys' columns, ciphertexts, formats, plaintext sizes in bytes and flags; data keys."""
    ciphertexts = [snapshot.ciphertext for snapshot in batch]
    return [
        *key_columns([snapshot.key for snapshot in batch]),
        [None if ciphertext is None else ciphertext.text for ciphertext in ciphertexts],
        [None if ciphertext is None else ciphertext.format for ciphertext in ciphertexts],
        [snapshot.plaintext_bytes for snapshot in batch],
        [int(snapshot.flags) for snapshot in batch],
        *data_key_columns([ciphertext for ciphertext in ciphertexts if ciphertext is not None]),
    ]


def data_key_columns(ciphertexts: Sequence[Ciphertext]) -> list[list[object]]:
    """Ids, tenants and wrapped keys; each data key of the ciphertexts once."""
    keys = {
        key.key_id: key for ciphertext in ciphertexts if (key := ciphertext.wrapped_key) is not None
    }
    return [
        list(keys),
        [key.tenant_id for key in keys.values()],
        [key.text for key in keys.values()],
    ]


_ANSWER_BY_NAME: dict[str, StoreAnswer] = {
    "unchanged": Unchanged(),
    "already_stored": AlreadyStored(),
    "orphan": Orphaned(),
    "needs_ciphertext": NeedsCiphertext(),
}


def answer_of(row: asyncpg.Record) -> StoreAnswer:
    """The answer in a row of `store_batch`."""
    if row["answer"] == "stored":
        return Stored(
            SnapshotId(row["snapshot_id"]),
            previous_id=snapshot_id_of(row["previous_id"]),
            next_id=snapshot_id_of(row["next_id"]),
            position=StoredPosition.parse(row["stored_in"]),
        )
    return _ANSWER_BY_NAME[row["answer"]]


def snapshot_id_of(value: UUID | None) -> SnapshotId | None:
    """The id in a column that may be null."""
    return None if value is None else SnapshotId(value)
