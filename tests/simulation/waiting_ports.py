"""The ports of the sweep over what waits, in whatever weather there is."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta

from attrs import frozen

from simulation.ports import Passage
from snapshot_domain.errors import Dependency, Unavailable
from snapshot_domain.ports import (
    CipherAnswer,
    Decryptor,
    DecryptorItem,
    QuarantinedMessage,
    QuarantineId,
    Resealed,
    Resealer,
    WaitingMessage,
    WaitingMessages,
)
from snapshot_domain.ports.decryptor import DecryptorAnswer
from snapshot_memory import MemoryQuarantineReview


@frozen(eq=False)
class StormyWaitingMessages:
    """Fails before or after it has looked or changed something."""

    inner: WaitingMessages
    passage: Passage

    async def page(self, after: QuarantineId, limit: int) -> Sequence[WaitingMessage]:
        """See WaitingMessages."""
        await self.passage.step("waiting")
        page = await self.inner.page(after, limit)
        await self.passage.cross(Dependency.QUARANTINE, f"{len(page)} wait")
        return page

    async def claim(
        self, entry_ids: Sequence[QuarantineId], lasts: timedelta
    ) -> AbstractSet[QuarantineId]:
        """See WaitingMessages."""
        await self.passage.cross(Dependency.QUARANTINE, "claim")
        claimed = await self.inner.claim(entry_ids, lasts)
        await self.passage.cross(Dependency.QUARANTINE, f"claimed {sorted(claimed)}")
        return claimed

    async def keep_for_a_person(self, resealed: Sequence[Resealed]) -> AbstractSet[QuarantineId]:
        """See WaitingMessages."""
        await self.passage.cross(Dependency.QUARANTINE, "end the wait")
        ended = await self.inner.keep_for_a_person(resealed)
        self.passage.witness.ends_waiting(ended, self.passage.loop.time())
        await self.passage.cross(Dependency.QUARANTINE, f"ended {sorted(ended)}")
        return ended

    async def discard_orphans(self, entry_ids: Sequence[QuarantineId]) -> AbstractSet[QuarantineId]:
        """See WaitingMessages."""
        await self.passage.cross(Dependency.QUARANTINE, "discard orphans")
        discarded = await self.inner.discard_orphans(entry_ids)
        self.passage.witness.ends_waiting(discarded, self.passage.loop.time())
        await self.passage.cross(Dependency.QUARANTINE, f"discarded {sorted(discarded)}")
        return discarded

    async def check(self) -> None:
        """See WaitingMessages."""
        await self.passage.cross(Dependency.QUARANTINE, "check waiting")


@frozen(eq=False)
class StormyReview(MemoryQuarantineReview):
    """Fails before or after it has given a message out, or noted that it was ingested."""

    passage: Passage

    async def messages(
        self, entry_ids: Sequence[QuarantineId]
    ) -> Mapping[QuarantineId, QuarantinedMessage]:
        """See QuarantineReview."""
        await self.passage.step("messages")
        messages = await super().messages(entry_ids)
        await self.passage.cross(Dependency.QUARANTINE, f"messages {sorted(messages)}")
        return messages

    async def mark_replayed(self, entry_ids: Sequence[QuarantineId]) -> None:
        """See QuarantineReview."""
        await self.passage.cross(Dependency.QUARANTINE, f"released {sorted(entry_ids)}")
        await super().mark_replayed(entry_ids)
        self.passage.witness.releases(self.passage.worker, entry_ids)
        await self.passage.cross(Dependency.QUARANTINE, "noted")


@frozen(eq=False)
class StormyDecryptor:
    """Fails as a whole."""

    inner: Decryptor
    passage: Passage

    async def decrypt(self, items: Sequence[DecryptorItem]) -> Sequence[DecryptorAnswer]:
        """See Decryptor."""
        await self.passage.step("decrypt")
        if self.passage.weather.flickers():
            return [Unavailable(Dependency.CIPHER, "down for these")] * len(items)
        return await self.inner.decrypt(items)


@frozen(eq=False)
class StormyResealer:
    """Fails for some items."""

    inner: Resealer
    passage: Passage

    async def reseal(self, items: Sequence[DecryptorItem]) -> Sequence[CipherAnswer]:
        """See Resealer."""
        await self.passage.step("reseal")
        return [
            Unavailable(Dependency.CIPHER, "down for this one")
            if self.passage.weather.flickers()
            else answer
            for answer in await self.inner.reseal(items)
        ]
