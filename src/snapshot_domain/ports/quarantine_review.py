"""QuarantineReview: the quarantine as a person sees it, to look into, to replay and to drop."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from enum import StrEnum
from typing import NewType, Protocol

from attrs import frozen

from snapshot_domain.delivery import Origin
from snapshot_domain.model import DeviceId, TenantId
from snapshot_domain.ports.quarantine import QuarantinedMessage, QuarantineReason

QuarantineId = NewType("QuarantineId", int)
"""What a person calls a quarantined message by: a whole number from 1 on, never used again."""


class QuarantineState(StrEnum):
    """What became of a quarantined message."""

    KEPT = "kept"
    """It is sealed, and waits for a person."""
    REPLAYED = "replayed"
    """It was ingested after all; its ciphertext is gone."""
    DROPPED = "dropped"
    """A person gave it up, or policy did, or its tenant was shredded; its ciphertext is gone."""


@frozen
class QuarantineEntry:
    """What may be known of a quarantined message without opening it.

    The fields are those of `QuarantinedMessage`, without its ciphertext.
    """

    entry_id: QuarantineId
    state: QuarantineState
    origin: Origin
    subject: str
    received_at: datetime
    reason: QuarantineReason
    detail: str
    waiting: bool
    device_id: DeviceId | None
    tenant_id: TenantId | None
    size_bytes: int


@frozen
class QuarantineSelection:
    """Which of the kept messages; a field that is None asks for nothing."""

    reason: QuarantineReason | None = None
    tenant_id: TenantId | None = None
    device_id: DeviceId | None = None
    waiting: bool | None = None


class QuarantineReview(Protocol):
    """Shows what the quarantine keeps, and notes what a person decided.

    A message that was replayed or dropped is remembered without its ciphertext, so that a
    redelivery does not bring it back; once that cannot happen any more it may be forgotten.
    Every method raises `Unavailable` or `Misconfigured`.
    """

    async def newest(self, selection: QuarantineSelection, limit: int) -> Sequence[QuarantineEntry]:
        """Up to `limit` of the kept messages of the selection, the last received first."""
        ...

    async def select(self, selection: QuarantineSelection) -> Sequence[QuarantineId]:
        """All of the kept messages of the selection, the first received first."""
        ...

    async def entries(self, entry_ids: Sequence[QuarantineId]) -> Sequence[QuarantineEntry]:
        """Those of the messages that there are, whatever became of them, in the given order."""
        ...

    async def messages(
        self, entry_ids: Sequence[QuarantineId]
    ) -> Mapping[QuarantineId, QuarantinedMessage]:
        """Those of the messages that are kept, with their ciphertexts."""
        ...

    async def mark_replayed(self, entry_ids: Sequence[QuarantineId]) -> None:
        """Notes that these were ingested; one that is not kept any more stays as it is."""
        ...

    async def drop(self, entry_ids: Sequence[QuarantineId]) -> AbstractSet[QuarantineId]:
        """Gives these up for good; returns those that were kept until now."""
        ...

    async def forget(self, floor: Origin) -> None:
        """Forgets what was replayed or dropped and can never be delivered again.

        That is what stands on the floor's stream up to its sequence, or stood on a stream of
        that name before this one was made.
        """
        ...

    async def check(self) -> None:
        """Returns if messages can be looked at and decided on."""
        ...
