"""The ports: what the domain needs from the world outside, one small Protocol a file."""

from snapshot_domain.ports.ack_floors import (
    STREAM_START,
    AckFloors,
    Floor,
    FloorSource,
    first_unsettled,
)
from snapshot_domain.ports.cipher import (
    Cipher,
    CipherAnswer,
    CipherItem,
    KeyReference,
    OwnKey,
    QuarantineCipher,
    TenantKey,
)
from snapshot_domain.ports.clock import Clock
from snapshot_domain.ports.decryptor import Decryptor, DecryptorItem
from snapshot_domain.ports.device_directory import DeviceDirectory
from snapshot_domain.ports.digest_keys import DigestKeys
from snapshot_domain.ports.digest_records import DigestRecord, DigestRecords, DigestSwap
from snapshot_domain.ports.hash_repository import HashRepository, NeedsCiphertext, StoreAnswer
from snapshot_domain.ports.kept_positions import HolderId, KeptPositions
from snapshot_domain.ports.message_source import Backlog, MessageSource
from snapshot_domain.ports.metrics import Metrics
from snapshot_domain.ports.quarantine import (
    Quarantine,
    QuarantinedMessage,
    QuarantineReason,
)
from snapshot_domain.ports.quarantine_review import (
    QuarantineEntry,
    QuarantineId,
    QuarantineReview,
    QuarantineSelection,
    QuarantineState,
)
from snapshot_domain.ports.resealer import Resealer
from snapshot_domain.ports.rewrapper import KeyVersions, Rewrapper
from snapshot_domain.ports.snapshot_decoder import SnapshotDecoder
from snapshot_domain.ports.snapshot_listener import (
    NamedListener,
    SnapshotListener,
    SnapshotNotice,
)
from snapshot_domain.ports.stored_snapshots import StoredPage, StoredSnapshots
from snapshot_domain.ports.stored_texts import DataKeySwap, StoredText, StoredTexts, TextSwap
from snapshot_domain.ports.tenant_keys import KeyState, TenantKeys
from snapshot_domain.ports.tenant_records import Records, TenantRecords
from snapshot_domain.ports.tenant_rows import TenantRow, TenantRows
from snapshot_domain.ports.waiting_messages import Resealed, WaitingMessage, WaitingMessages

__all__ = [
    "STREAM_START",
    "AckFloors",
    "Backlog",
    "Cipher",
    "CipherAnswer",
    "CipherItem",
    "Clock",
    "DataKeySwap",
    "Decryptor",
    "DecryptorItem",
    "DeviceDirectory",
    "DigestKeys",
    "DigestRecord",
    "DigestRecords",
    "DigestSwap",
    "Floor",
    "FloorSource",
    "HashRepository",
    "HolderId",
    "KeptPositions",
    "KeyReference",
    "KeyState",
    "KeyVersions",
    "MessageSource",
    "Metrics",
    "NamedListener",
    "NeedsCiphertext",
    "OwnKey",
    "Quarantine",
    "QuarantineCipher",
    "QuarantineEntry",
    "QuarantineId",
    "QuarantineReason",
    "QuarantineReview",
    "QuarantineSelection",
    "QuarantineState",
    "QuarantinedMessage",
    "Records",
    "Resealed",
    "Resealer",
    "Rewrapper",
    "SnapshotDecoder",
    "SnapshotListener",
    "SnapshotNotice",
    "StoreAnswer",
    "StoredPage",
    "StoredSnapshots",
    "StoredText",
    "StoredTexts",
    "TenantKey",
    "TenantKeys",
    "TenantRecords",
    "TenantRow",
    "TenantRows",
    "TextSwap",
    "WaitingMessage",
    "WaitingMessages",
    "first_unsettled",
]
