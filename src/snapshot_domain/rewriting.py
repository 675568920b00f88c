"""What all rewriting of stored texts has in common: page after page, swapped if still the same."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeAlias
from uuid import UUID

from attrs import define, frozen

from snapshot_domain.errors import DependencyError, KeyMissing, Refused
from snapshot_domain.model import Ciphertext, SnapshotId, TenantId
from snapshot_domain.ports import (
    Cipher,
    CipherItem,
    Decryptor,
    DecryptorItem,
    StoredText,
    StoredTexts,
    TenantKey,
    TextSwap,
)
from snapshot_domain.secret import Secret

FIRST = SnapshotId(UUID(int=0))
"""No snapshot has this id: it stands before all of them."""

Page: TypeAlias = Callable[[SnapshotId], Awaitable[Sequence[StoredText]]]
Renewed: TypeAlias = Sequence[Ciphertext | DependencyError]
Renewal: TypeAlias = Callable[[Sequence[StoredText]], Awaitable[Renewed]]


@define
class Rewritten:
    """How many texts or data keys were replaced, left as they are, or changed meanwhile.

    `fault` is the last fault of what was left: one that was refused stays as it is.
    """

    replaced: int = 0
    left: int = 0
    changed_meanwhile: int = 0
    fault: DependencyError | None = None

    def leave(self, fault: DependencyError) -> None:
        """Notes one that stays as it is; raises the fault if any other would meet it as well."""
        if not isinstance(fault, Refused | KeyMissing):
            raise fault
        self.left += 1
        self.fault = fault


async def rewrite(
    texts: StoredTexts, page: Page, renew: Renewal, rewritten: Rewritten
) -> AsyncIterator[int]:
    """Replaces every text of the pages by what `renew` makes of it.

    Yields after each page how many were looked at. Each swap is a transaction of its own that
    compares with what was read, so the work may end at any moment and be begun anew. Raises
    what keeps it from renewing or replacing anything.
    """
    after = FIRST
    while found := await page(after):
        after = found[-1].snapshot_id
        swaps = []
        for stored, answer in zip(found, await renew(found), strict=True):
            if isinstance(answer, Ciphertext):
                swaps.append(TextSwap(stored, answer))
            else:
                rewritten.leave(answer)
        swapped = await texts.swap(swaps)
        rewritten.replaced += len(swapped)
        rewritten.changed_meanwhile += len(swaps) - len(swapped)
        yield len(found)


@frozen
class Bound:
    """A tenant's ciphertext, what it is bound to, and what its new one is to be bound to."""

    tenant_id: TenantId
    ciphertext: Ciphertext
    former_aad: str
    aad: str


async def reseal(decryptor: Decryptor, cipher: Cipher, found: Sequence[Bound]) -> Renewed:
    """For each its content in a new ciphertext, or the fault that kept it from one."""
    opened = await decryptor.decrypt(
        [
            DecryptorItem(TenantKey(each.tenant_id), each.ciphertext, each.former_aad)
            for each in found
        ]
    )
    items = {
        place: CipherItem(TenantKey(found[place].tenant_id), plaintext, found[place].aad)
        for place, plaintext in enumerate(opened)
        if isinstance(plaintext, Secret)
    }
    sealed = dict(zip(items, await cipher.encrypt(list(items.values())), strict=True))
    answers: list[Ciphertext | DependencyError] = []
    for place, answer in enumerate(opened):
        answers.append(sealed[place] if isinstance(answer, Secret) else answer)
    return answers
