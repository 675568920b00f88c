"""Rewrapper in memory."""

import base64
from collections.abc import Sequence
from datetime import datetime

from attrs import field, frozen

from snapshot_domain.errors import Dependency, KeyMissing, Refused
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.ports import CipherAnswer, Clock, KeyVersions, TenantKey
from snapshot_domain.secret import Secret
from snapshot_memory.cipher import MemoryKeyring


@frozen
class MemoryRewrapper:
    """Rewraps with the keys of a keyring, and says when it first saw each version."""

    _keyring: MemoryKeyring
    _clock: Clock
    _seen: dict[tuple[TenantId, int], datetime] = field(factory=dict)

    async def rewrap(
        self, tenant_id: TenantId, ciphertexts: Sequence[Ciphertext]
    ) -> Sequence[CipherAnswer]:
        """See Rewrapper."""
        return [self._rewrap(TenantKey(tenant_id), each) for each in ciphertexts]

    async def versions(self, tenant_id: TenantId) -> KeyVersions:
        """See Rewrapper."""
        if TenantKey(tenant_id) not in self._keyring:
            raise KeyMissing(Dependency.CIPHER, "the keyring has no such key")
        newest = self._keyring.newest_version(TenantKey(tenant_id))
        now = self._clock.now()
        since = self._seen.setdefault((tenant_id, newest), now)
        return KeyVersions(newest, since, asked_at=now)

    def _rewrap(self, key: TenantKey, ciphertext: Ciphertext) -> CipherAnswer:
        if key not in self._keyring:
            return KeyMissing(Dependency.CIPHER, "the keyring has no such key")
        head, _, body = ciphertext.text.rpartition(":")
        try:
            opened = self._keyring.open(key, base64.b64decode(body, validate=True), "")
        except ValueError:
            opened = None
        if opened is None:
            return Refused(Dependency.CIPHER, "the ciphertext does not open")
        sealed = base64.b64encode(self._keyring.seal(key, Secret(opened), "")).decode()
        form = head.partition("vault:")[0]
        return Ciphertext(f"{form}vault:v{self._keyring.newest_version(key)}:{sealed}")
