"""What the domain speaks of: devices, tenants, digests, snapshots and their ciphertexts."""

import hashlib
import re
from datetime import datetime
from enum import IntFlag
from typing import NewType, Self
from uuid import UUID

from attrs import field, frozen

from snapshot_domain.secret import Configuration

DeviceId = NewType("DeviceId", UUID)
"""A device. A UUID and never text, so that no id can smuggle anything into a path or a query."""

TenantId = NewType("TenantId", UUID)
"""The owner of devices, and of the key that encrypts their configurations."""

SnapshotId = NewType("SnapshotId", UUID)
"""A stored snapshot: the key of its row."""

DataKeyId = NewType("DataKeyId", UUID)
"""A data key of one tenant, made in the process."""

DigestKeyId = NewType("DigestKeyId", UUID)
"""The key of keyed digests, made in the process."""

_ENVELOPE = re.compile(
    r"si1e:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}):", re.ASCII
)
_TRANSIT = re.compile(r"(?:si1z:)?vault:v([0-9]{1,18}):", re.ASCII)
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


def _is_hex_digest(_: object, __: object, value: str) -> None:
    if not _HEX_DIGEST.fullmatch(value):
        raise ValueError("a digest is 64 lower-case hex digits")


@frozen
class Digest:
    """What a configuration's text is known by, as 64 lower-case hex digits.

    Plain, it is the SHA-256 of the text; keyed, an HMAC-SHA256 of that.
    """

    hex: str = field(validator=_is_hex_digest)

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        """The plain digest of the text as it is held here."""
        return cls(hashlib.sha256(configuration.reveal()).hexdigest())


@frozen
class Snapshot:
    """The whole configuration of one device at one moment, as the poller sent it.

    `collected_at` is UTC, cut to microseconds, and None where the poller gave no readable time.
    """

    device_id: DeviceId
    tenant_id: TenantId
    digest: Digest
    collected_at: datetime | None
    configuration: Configuration = field(eq=False)


@frozen
class Keying:
    """The key that a keyed digest was made with, and the plain digest that it was made of."""

    key_id: DigestKeyId
    plain: Digest = field(repr=False)


@frozen
class SnapshotKey:
    """What identifies a snapshot and gives it its place in its device's timeline.

    A timeline is ordered by (`collected_at`, `sequence`); `sequence` is the stream's. `keying`
    is there for a keyed digest: runs that are still plain know the same text by the plain one.
    """

    device_id: DeviceId
    tenant_id: TenantId
    collected_at: datetime
    sequence: int
    digest: Digest
    keying: Keying | None = None

    def is_known_by(self, digest: Digest) -> bool:
        """Whether the digest, plain or keyed, is that of this snapshot's text."""
        return digest == self.digest or (self.keying is not None and digest == self.keying.plain)

    @property
    def position(self) -> tuple[datetime, int]:
        """The place in the device's timeline."""
        return (self.collected_at, self.sequence)


@frozen(order=True)
class StoredPosition:
    """How far the snapshots of one database are meant, in the order in which it stored them.

    It is the transaction that stored a snapshot: what was stored at once has one position. In
    another database it means nothing. Its text is what `parse` reads.
    """

    transaction: int

    def __str__(self) -> str:
        return str(self.transaction)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The position that this is the text of. Raises `ValueError` for another text."""
        return cls(int(text))

    @property
    def before(self) -> "StoredPosition":
        """The position just before it."""
        return StoredPosition(self.transaction - 1)


BEFORE_ALL = StoredPosition(0)
"""The position after which everything is still to come."""


class SnapshotFlag(IntFlag):
    """What is worth knowing about a stored snapshot, kept beside it."""

    NONE = 0
    RECEIVED_TIME = 1
    """`collected_at` is the time the stream received the message (rule 5 of the timeline)."""
    DIGEST_MISMATCH = 2
    """The poller's digest is not that of the received text."""
    COPY = 4
    """Made by a late arrival that split a run; no message of its own stands behind it."""


@frozen
class WrappedKey:
    """A data key encrypted under its tenant's key: who may decrypt that, opens all it sealed."""

    key_id: DataKeyId
    tenant_id: TenantId
    text: str = field(repr=False)


@frozen
class WrappedDigestKey:
    """The key of keyed digests, encrypted under our own key for that."""

    key_id: DigestKeyId
    text: str = field(repr=False)


@frozen
class Ciphertext:
    """An encrypted configuration or message, in the self-describing text form that is stored.

    One under a data key carries that key with it, wrapped: the two are kept together.
    """

    text: str = field(repr=False)
    wrapped_key: WrappedKey | None = None

    @property
    def format(self) -> str:
        """The name of the format, read from the text's own prefix."""
        if self.text.startswith("vault:"):
            return "transit"
        if self.text.startswith("si1z:"):
            return "compressed"
        if self.text.startswith("si1e:"):
            return "envelope"
        return "unknown"

    @property
    def key_version(self) -> int | None:
        """The version of the key that it is directly under; None if it is under a data key."""
        named = _TRANSIT.match(self.text)
        return int(named[1]) if named else None

    @property
    def data_key_id(self) -> DataKeyId | None:
        """The data key that the text names; None if its format has none."""
        named = _ENVELOPE.match(self.text)
        return DataKeyId(UUID(named[1])) if named else None


def configuration_aad(tenant_id: TenantId, device_id: DeviceId, digest: Digest) -> str:
    """What an encrypted configuration is bound to: never row or time, so a copy of it opens."""
    return f"{tenant_id}|{device_id}|{digest.hex}"


@frozen
class EncryptedSnapshot:
    """A snapshot on its way to the repository.

    `ciphertext` is None where the snapshot looks unchanged; the repository then says whether
    it needs one after all.
    """

    key: SnapshotKey
    ciphertext: Ciphertext | None
    plaintext_bytes: int
    flags: SnapshotFlag = SnapshotFlag.NONE
