"""The ports of ingestion and rotation in memory: the reference that says what each means.

They are for dry runs and tests. `TenantKeys`, `TenantRecords` and `TenantRows`, which only
shredding needs, have no adapter here.

Nothing here outlives the process, and the cipher is a toy: it keeps plaintext out of the
other stores, and protects nothing.
"""

from snapshot_memory.ack_floors import MemoryAckFloors
from snapshot_memory.cipher import MemoryCipher, MemoryKeyring, MemoryQuarantineCipher
from snapshot_memory.clock import ManualClock
from snapshot_memory.decryptor import MemoryDecryptor
from snapshot_memory.device_directory import MemoryDeviceDirectory
from snapshot_memory.digest_keys import MemoryDigestKeys
from snapshot_memory.digest_records import MemoryDigestRecords
from snapshot_memory.hash_repository import MemoryHashRepository, Run, StoredRow
from snapshot_memory.kept_positions import MemoryKeptPositions
from snapshot_memory.message_source import MemoryMessageSource
from snapshot_memory.metrics import MemoryMetrics
from snapshot_memory.quarantine import MemoryQuarantine
from snapshot_memory.quarantine_review import MemoryQuarantineReview
from snapshot_memory.resealer import MemoryResealer
from snapshot_memory.rewrapper import MemoryRewrapper
from snapshot_memory.snapshot_decoder import MemorySnapshotDecoder
from snapshot_memory.snapshot_listener import MemorySnapshotListener
from snapshot_memory.stored_snapshots import MemoryStoredSnapshots
from snapshot_memory.stored_texts import MemoryStoredTexts
from snapshot_memory.waiting_messages import MemoryWaitingMessages

__all__ = [
    "ManualClock",
    "MemoryAckFloors",
    "MemoryCipher",
    "MemoryDecryptor",
    "MemoryDeviceDirectory",
    "MemoryDigestKeys",
    "MemoryDigestRecords",
    "MemoryHashRepository",
    "MemoryKeptPositions",
    "MemoryKeyring",
    "MemoryMessageSource",
    "MemoryMetrics",
    "MemoryQuarantine",
    "MemoryQuarantineCipher",
    "MemoryQuarantineReview",
    "MemoryResealer",
    "MemoryRewrapper",
    "MemorySnapshotDecoder",
    "MemorySnapshotListener",
    "MemoryStoredSnapshots",
    "MemoryStoredTexts",
    "MemoryWaitingMessages",
    "Run",
    "StoredRow",
]
