"""WaitingMessages: the quarantined messages that can be stored without a person, until then."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Protocol

from attrs import frozen

from snapshot_domain.model import Ciphertext, DeviceId, TenantId
from snapshot_domain.ports.quarantine import QuarantineReason
from snapshot_domain.ports.quarantine_review import QuarantineId


@frozen
class WaitingMessage:
    """What a kept message waits for, and since when: `waited` is since it was first kept."""

    entry_id: QuarantineId
    reason: QuarantineReason
    device_id: DeviceId | None
    tenant_id: TenantId | None
    size_bytes: int
    waited: timedelta


@frozen
class Resealed:
    """A message whose ciphertext `former` is replaced, if it still is the message's."""

    entry_id: QuarantineId
    former: Ciphertext
    ciphertext: Ciphertext


class WaitingMessages(Protocol):
    """Any number of workers may look at once; every method raises `Unavailable`, `Misconfigured`.

    Time is the store's own, the same for all workers.
    """

    async def page(self, after: QuarantineId, limit: int) -> Sequence[WaitingMessage]:
        """Up to `limit` of those that wait and whose ids are greater, in the order of their ids."""
        ...

    async def claim(
        self, entry_ids: Sequence[QuarantineId], lasts: timedelta
    ) -> AbstractSet[QuarantineId]:
        """Those of them that wait and that nobody else has claimed: for so long they are ours.

        It keeps workers from doing the same work twice, and nothing depends on it.
        """
        ...

    async def keep_for_a_person(self, resealed: Sequence[Resealed]) -> AbstractSet[QuarantineId]:
        """Those of them that waited until now and had that ciphertext: they wait no more."""
        ...

    async def discard_orphans(self, entry_ids: Sequence[QuarantineId]) -> AbstractSet[QuarantineId]:
        """Drops those of them that still wait as orphans, and returns them."""
        ...

    async def check(self) -> None:
        """Returns if the waiting messages can be looked at and decided on."""
        ...
