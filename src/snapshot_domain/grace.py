"""The end of an orphan's grace: from then on it is a person's, or discarded by policy."""

from collections.abc import Iterator, Sequence

from attrs import frozen

from snapshot_domain.errors import DependencyError, Misconfigured, Unavailable
from snapshot_domain.events import GraceEnded
from snapshot_domain.journal import logger
from snapshot_domain.model import Ciphertext
from snapshot_domain.policy import IngestPolicy, OnRejected
from snapshot_domain.ports import (
    Metrics,
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
        for part in _parts(orphans, self.limits):
            self._tell(kept=await self._keep_for_a_person([each.entry_id for each in part]))

    async def _keep_for_a_person(self, entry_ids: Sequence[QuarantineId]) -> int:
        """How many of them are a person's now; one that does not open goes on waiting."""
        messages = await self.review.messages(entry_ids)
        answers = await self.resealer.reseal([sealed_item(each) for each in messages.values()])
        resealed = [
            Resealed(entry_id, message.ciphertext, answer)
            for (entry_id, message), answer in zip(messages.items(), answers, strict=True)
            if isinstance(answer, Ciphertext)
        ]
        kept = await self.waiting.keep_for_a_person(resealed)
        self._complain([answer for answer in answers if isinstance(answer, DependencyError)])
        return len(kept)

    def _complain(self, faults: Sequence[DependencyError]) -> None:
        for fault in faults:
            if isinstance(fault, Unavailable | Misconfigured):
                raise fault
        if faults:
            logger.warning(
                "%d orphans wait on beyond their grace, because they do not open: %s",
                len(faults),
                faults[0],
            )

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


def _parts(
    messages: Sequence[WaitingMessage], limits: WorkerLimits
) -> Iterator[list[WaitingMessage]]:
    """The messages in parts that are no larger than a batch."""
    part: list[WaitingMessage] = []
    room_bytes = limits.batch_bytes
    for message in messages:
        is_full = message.size_bytes > room_bytes or len(part) == limits.batch_messages
        if part and is_full:
            yield part
            part, room_bytes = [], limits.batch_bytes
        part.append(message)
        room_bytes -= message.size_bytes
    if part:
        yield part
