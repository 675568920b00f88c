"""Quarantine: keeps the ciphertext of what could not be ingested, for a person to look at."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from attrs import frozen

from snapshot_domain.delivery import Origin
from snapshot_domain.model import Ciphertext, DeviceId, TenantId


class QuarantineReason(StrEnum):
    """Why a message is in the quarantine."""

    MALFORMED = "malformed"
    ORPHAN = "orphan"
    HASH_MISMATCH = "hash_mismatch"
    CIPHER_REFUSED = "cipher_refused"
    REPOSITORY_REFUSED = "repository_refused"
    KEY_MISSING = "key_missing"


@frozen
class QuarantinedMessage:
    """A rejected message, sealed whole.

    `detail` is a word of a closed set; `waiting` says that it can be stored without a person
    once what it lacks is there. Device and tenant are None where the message did not say.
    """

    origin: Origin
    subject: str
    received_at: datetime
    reason: QuarantineReason
    detail: str
    waiting: bool
    device_id: DeviceId | None
    tenant_id: TenantId | None
    size_bytes: int
    ciphertext: Ciphertext


class Quarantine(Protocol):
    """Keeps rejected messages, each once, however often it is delivered."""

    async def keep(self, messages: Sequence[QuarantinedMessage]) -> None:
        """Returns when all are kept for good, idempotent by `origin` and `received_at`.

        Either alone says which message it is, but for one case: where a stream was made again
        a moment ago, its source may still give it the former creation time. One that is kept
        already stays as it is; only where it is rejected for another reason now, the newer
        reason and its ciphertext take the place of the former, and an orphan's wait begins. One
        whose digest is not that of its text keeps that reason: by that digest it could be found
        unchanged, and its text be lost. One that was replayed or dropped is not kept again.

        Raises `Unavailable` or `Misconfigured`, and then none may be taken as kept; raises
        `Refused` if one of them can never be kept.
        """
        ...

    async def check(self) -> None:
        """Returns if messages can be kept; raises `Unavailable` or `Misconfigured`."""
        ...
