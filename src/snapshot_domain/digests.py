"""Digests: what a text is known by, the poller's own digest or one that is made of it with a key.

A plain digest in a stolen database confirms guesses of a text. A keyed one does so only to who
has the key too, which is never stored but encrypted.
"""

import hmac
import secrets
from typing import Protocol
from uuid import uuid4

from attrs import define, evolve, field, frozen

from snapshot_domain.errors import Dependency, Misconfigured, Unavailable
from snapshot_domain.model import (
    Ciphertext,
    Digest,
    DigestKeyId,
    Keying,
    SnapshotKey,
    TenantId,
    WrappedDigestKey,
)
from snapshot_domain.ports import (
    Cipher,
    CipherItem,
    Decryptor,
    DecryptorItem,
    DigestKeys,
    OwnKey,
)
from snapshot_domain.secret import Secret

_KEY_BYTES = 32


@frozen(eq=False)
class DigestKey:
    """The key in the clear. It lives in memory only."""

    key_id: DigestKeyId
    secret: Secret

    def of(self, tenant_id: TenantId, plain: Digest) -> Digest:
        """HMAC-SHA256 of the ASCII text `tenant|plain digest`, the id as a lower-case UUID.

        The tenant is in it, so that two tenants with the same text do not show it.
        """
        text = f"{tenant_id}|{plain.hex}".encode("ascii")
        return Digest(hmac.digest(self.secret.reveal(), text, "sha256").hex())

    def keyed(self, key: SnapshotKey) -> SnapshotKey:
        """The same snapshot, known by its keyed digest."""
        return evolve(
            key,
            digest=self.of(key.tenant_id, key.digest),
            keying=Keying(self.key_id, key.digest),
        )


def another_key() -> Misconfigured:
    """What whoever stores a digest is told that is not under the kept key, or under none."""
    return Misconfigured(
        Dependency.REPOSITORY,
        "digests are keyed here, and not with what this process has",
        expected='digest = "keyed", and the key that is kept in this database',
        next_step="set that for every worker; there is no way back to plain digests",
    )


def key_gone() -> Misconfigured:
    """What whoever would make another key is told, where the one of keyed digests is gone."""
    return Misconfigured(
        Dependency.REPOSITORY,
        "digests are keyed here, and their key is gone",
        next_step="restore it from a backup: another one would store every text once more",
    )


class Digests(Protocol):
    """Says whether digests are keyed, and with what."""

    async def key(self) -> DigestKey | None:
        """The key; None where digests are plain. Raises `Unavailable` or `Misconfigured`."""
        ...

    async def check(self) -> None:
        """Returns if snapshots can be stored with these digests; raises as `key` does."""
        ...


@frozen
class PlainDigests:
    """The poller's digest as it is, which needs that there is no key."""

    keys: DigestKeys | None = None

    async def key(self) -> DigestKey | None:
        """See Digests."""
        return None

    async def check(self) -> None:
        """See Digests."""
        if self.keys is not None and await self.keys.kept() is not None:
            raise another_key()


@define(eq=False)
class KeyedDigests:
    """Unwraps the installation's one digest key when it is first asked for, and holds it then.

    The first who ever asks makes the key; of several at once the first one's is kept.
    """

    keys: DigestKeys
    cipher: Cipher
    decryptor: Decryptor
    _key: DigestKey | None = field(default=None, init=False, repr=False)

    async def key(self) -> DigestKey:
        """See Digests."""
        if self._key is None:
            wrapped = await self.keys.kept() or await self._first()
            self._key = DigestKey(wrapped.key_id, await self._unwrapped(wrapped))
        return self._key

    async def check(self) -> None:
        """See Digests. A key that is not the kept one any more is let go of."""
        kept = await self.keys.kept()
        if self._key is not None and (kept is None or kept.key_id != self._key.key_id):
            self._key = None
        await self.key()

    async def _first(self) -> WrappedDigestKey:
        """A new key, kept only once it was seen to open: there is no way back from it."""
        made = await self._made()
        await self._unwrapped(made)
        return await self.keys.keep(made)

    async def _made(self) -> WrappedDigestKey:
        key = Secret(secrets.token_bytes(_KEY_BYTES))
        (answer,) = await self.cipher.encrypt([CipherItem(OwnKey.DIGEST, key)])
        if isinstance(answer, Ciphertext):
            return WrappedDigestKey(DigestKeyId(uuid4()), answer.text)
        if isinstance(answer, Unavailable | Misconfigured):
            raise answer
        raise Misconfigured(
            Dependency.CIPHER,
            f"no digest key can be made under {OwnKey.DIGEST}",
            next_step="run `snapshot-ingest provision`",
        )

    async def _unwrapped(self, wrapped: WrappedDigestKey) -> Secret:
        item = DecryptorItem(OwnKey.DIGEST, Ciphertext(wrapped.text))
        (answer,) = await self.decryptor.decrypt([item])
        if isinstance(answer, Unavailable | Misconfigured):
            raise answer
        if isinstance(answer, Secret) and answer.size_bytes == _KEY_BYTES:
            return answer
        raise Misconfigured(
            Dependency.CIPHER,
            "the kept digest key does not open",
            expected=f"a key of {_KEY_BYTES} bytes under {OwnKey.DIGEST}",
            next_step="restore that key at OpenBao; a new one would store every text once more",
        )
