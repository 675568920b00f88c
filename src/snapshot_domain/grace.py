"""The end of an orphan's grace: from then on it is a person's, or discarded by policy."""

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from snapshot_domain.errors import KeyMissing, Misconfigured, Refused, Unavailable
from snapshot_domain.events import GraceEnded
from snapshot_domain.journal import logger
from snapshot_domain.model import Ciphertext
from snapshot_domain.policy import IngestPolicy, OnRejected
from snapshot_domain.ports import (
    Metrics,
    OwnKey,
    QuarantinedMessage,
    QuarantineId,
    QuarantineReview,
    Resealed,
    Resealer,
    WaitingMessage,
    WaitingMessages,
)
from snapshot_domain.replay import sealed_item
from snapshot_domain.worker import WorkerLimits


@frozen(eq=False)
class Grace:
    """Ends the wait of orphans whose device did not appear within `policy.orphan_grace`."""

    waiting: WaitingMessages
    review: QuarantineReview
    resealer: Resealer
    metrics: Metrics
    policy: IngestPolicy
    limits: WorkerLimits

    def is_over(self, orphan: WaitingMessage) -> bool:
        """Whether it waited long enough, counted from the moment of quarantine."""
        return orphan.waited >= self.policy.orphan_grace

    async def end(self, orphans: Sequence[WaitingMessage]) -> None:
        """Ends the wait of these; raises what keeps it from ending any."""
        if self.policy.on_rejected is OnRejected.DISCARD:
            ids = [orphan.entry_id for orphan in orphans]
            self._tell(discarded=len(await self.waiting.discard_orphans(ids)))
            return
        for batch in in_batches(orphans, self.limits):
            self._tell(kept=await self._keep_for_a_person([each.entry_id for each in batch]))

    async def hand_over(self, unopened: Sequence[QuarantineId]) -> None:
        """What does not open can never be stored: a person has it, sealed as it is."""
        if not unopened:
            return
        messages = await self._waiting_of(unopened)
        as_they_are = [
            Resealed(entry_id, message.ciphertext, message.ciphertext)
            for entry_id, message in messages.items()
        ]
        handed_over = await self.waiting.keep_for_a_person(as_they_are)
        if not handed_over:
            return
        logger.error(
            "%d messages that waited do not open, and stay in the quarantine; expected the key "
            "%s with which they were sealed; see whether it was deleted or made anew",
            len(handed_over),
            OwnKey.WAITING,
        )

    async def _keep_for_a_person(self, entry_ids: Sequence[QuarantineId]) -> int:
        """How many of them are a person's now; what does not open is so as it is."""
        messages = await self._waiting_of(entry_ids)
        answers = await self.resealer.reseal([sealed_item(each) for each in messages.values()])
        resealed, unopened = [], []
        for (entry_id, message), answer in zip(messages.items(), answers, strict=True):
            if isinstance(answer, Ciphertext):
                resealed.append(Resealed(entry_id, message.ciphertext, answer))
            elif isinstance(answer, Refused):
                unopened.append(entry_id)
        kept = await self.waiting.keep_for_a_person(resealed)
        await self.hand_over(unopened)
        for answer in answers:
            if isinstance(answer, Unavailable | Misconfigured | KeyMissing):
                raise answer
        return len(kept)

    async def _waiting_of(
        self, entry_ids: Sequence[QuarantineId]
    ) -> Mapping[QuarantineId, QuarantinedMessage]:
        """Those that still wait: what became a person's meanwhile is under another key."""
        messages = await self.review.messages(entry_ids)
        return {entry_id: each for entry_id, each in messages.items() if each.waiting}

    def _tell(self, *, kept: int = 0, discarded: int = 0) -> None:
        if not kept + discarded:
            return
        self.metrics.record(GraceEnded(kept=kept, discarded=discarded))
        logger.warning(
            "%d orphans %s: their devices did not appear within %s; expected them to be "
            "registered by then; %s",
            kept + discarded,
            "are discarded" if discarded else "stay in the quarantine",
            self.policy.orphan_grace,
            "their next snapshots will be stored once they are"
            if discarded
            else "register them, then see `snapshot-ingest quarantine replay --reason orphan`",
        )


def in_batches(
    messages: Sequence[WaitingMessage], limits: WorkerLimits
) -> Iterator[list[WaitingMessage]]:
    """The messages in parts that are no larger than a batch; a larger one comes alone."""
    batch: list[WaitingMessage] = []
    room_bytes = limits.batch_bytes
    for message in messages:
        is_full = message.size_bytes > room_bytes or len(batch) == limits.batch_messages
        if batch and is_full:
            yield batch
            batch, room_bytes = [], limits.batch_bytes
        batch.append(message)
        room_bytes -= message.size_bytes
    if batch:
        yield batch
