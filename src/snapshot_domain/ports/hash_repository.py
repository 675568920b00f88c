"""HashRepository: the timelines of all devices, and the ciphertext of each run."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from attrs import frozen

from snapshot_domain.model import EncryptedSnapshot, SnapshotKey
from snapshot_domain.outcome import AlreadyStored, ItemRefused, Orphaned, Stored, Unchanged


@frozen
class NeedsCiphertext:
    """It looked unchanged and is not: nothing was done, encrypt it and store it again."""


StoreAnswer: TypeAlias = (
    Stored | Unchanged | AlreadyStored | Orphaned | ItemRefused | NeedsCiphertext
)


class HashRepository(Protocol):
    """Keeps the timelines by the rules of the design.

    Any number of workers may call it at once. Every method raises `Unavailable` when the
    store does not answer, and `Misconfigured` when an operator must act.
    """

    async def unchanged(self, keys: Sequence[SnapshotKey]) -> Sequence[bool]:
        """For each key, whether the run at its time seems to have its digest and tenant.

        A hint that saves the cipher work, true or false; only `store` decides.
        """
        ...

    async def store(self, batch: Sequence[EncryptedSnapshot]) -> Sequence[StoreAnswer]:
        """Decides each snapshot under its device's lock, all of them in one transaction.

        Returns an answer for each, in the batch's order, after the commit; a snapshot that
        the store can never take is answered `ItemRefused` and costs the others nothing. If it
        raises, either nothing was stored or the commit's answer was lost: storing the same
        batch again is safe. It raises `Misconfigured` for a digest that is not under the kept
        digest key, where there is one, and beside keyed digests whose key is gone.
        """
        ...

    async def check(self) -> None:
        """Returns if the repository really answers and could store."""
        ...
