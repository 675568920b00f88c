"""Rewrapper: brings ciphertexts to the newest version of their key, seeing no plaintext."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attrs import frozen

from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports.cipher import CipherAnswer


@frozen
class KeyVersions:
    """The newest version of a tenant's key, since when it is, and when that was asked.

    Both times are those of whoever keeps the key, so that no other clock has a part in it.
    """

    newest: int
    newest_since: datetime
    asked_at: datetime


class Rewrapper(Protocol):
    """An operator's: it may neither encrypt nor decrypt."""

    async def rewrap(
        self, tenant_id: TenantId, ciphertexts: Sequence[Ciphertext]
    ) -> Sequence[CipherAnswer]:
        """For each ciphertext under the tenant's key, in order, the same under the newest version.

        Faults are returned and not raised, item by item.
        """
        ...

    async def versions(self, tenant_id: TenantId) -> KeyVersions:
        """Raises `Unavailable`, `Misconfigured`, or `KeyMissing` if the tenant has no key."""
        ...
