"""Replay: quarantined messages go through the use case again, each at its own time."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeAlias

from attrs import evolve, frozen

from snapshot_domain.delivery import Ack, Delivery, Settlement
from snapshot_domain.errors import Misconfigured, Unavailable
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.journal import logger
from snapshot_domain.outcome import (
    DependencyBusy,
    DependencyMisconfigured,
    DependencyUnavailable,
    Outcome,
)
from snapshot_domain.policy import IngestPolicy, OnRejected
from snapshot_domain.ports import (
    Backlog,
    Decryptor,
    DecryptorItem,
    QuarantinedMessage,
    QuarantineEntry,
    QuarantineId,
    QuarantineReason,
    QuarantineReview,
)
from snapshot_domain.rejection import quarantine_aad, quarantine_key
from snapshot_domain.secret import RawMessage

DependencyFailed: TypeAlias = DependencyUnavailable | DependencyMisconfigured | DependencyBusy
"""What any other message would meet as well."""


_KEPT_ALL_THE_SAME = frozenset({QuarantineReason.HASH_MISMATCH})


@frozen
class _Receipt:
    """Which message of the quarantine a delivery is, and why it is there."""

    entry_id: QuarantineId
    reason: QuarantineReason


class ReplaySource:
    """MessageSource over chosen messages of the quarantine, in the order in which they are given.

    Each is delivered once, with the origin, the subject and the time of receipt that it had on
    its stream, so that it takes the place in its device's timeline that it would have had. An
    `Ack` marks it as replayed. One whose digest is not that of its text stays all the same:
    by its digest it can be unchanged although its text is stored nowhere, so only a person
    gives it up. After a `Retry` or a `Discard` it stays in the quarantine, where the use case
    has noted its reason if it is another one now; to try it again is to choose it again. An
    empty answer of `fetch` means that all were delivered. With `waiting_only` one that does not
    wait any more is passed over.
    """

    def __init__(
        self,
        review: QuarantineReview,
        decryptor: Decryptor,
        chosen: Sequence[QuarantineId],
        *,
        waiting_only: bool = False,
    ) -> None:
        self._review = review
        self._decryptor = decryptor
        self._chosen = chosen
        self._waiting_only = waiting_only
        self._tried = 0
        self._lent: set[QuarantineId] = set()
        self._unopened: list[QuarantineId] = []

    @property
    def unopened(self) -> Sequence[QuarantineId]:
        """Those that were not delivered, because their ciphertext does not open."""
        return self._unopened

    async def fetch(self, max_messages: int, max_bytes: int) -> Sequence[Delivery]:
        """See MessageSource. One that is not kept any more, or does not open, is passed over."""
        deliveries: Sequence[Delivery] = ()
        while not deliveries and self._tried < len(self._chosen):
            deliveries = await self._try_next(max_messages, max_bytes)
        return deliveries

    async def settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        """See MessageSource."""
        settled = [
            (delivery.receipt, settlement)
            for delivery, settlement in settlements
            if isinstance(delivery.receipt, _Receipt)
        ]
        self._lent.difference_update(receipt.entry_id for receipt, _ in settled)
        ingested = [
            receipt.entry_id
            for receipt, settlement in settled
            if isinstance(settlement, Ack) and receipt.reason not in _KEPT_ALL_THE_SAME
        ]
        if ingested:
            await self._review.mark_replayed(ingested)

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        """See MessageSource. Nothing is ever delivered again here, so there is no deadline."""

    async def backlog(self) -> Backlog:
        """See MessageSource. Times of receipt are not known before a message is looked at."""
        return Backlog(
            pending=len(self._chosen) - self._tried,
            unsettled=len(self._lent),
            redelivered=0,
            oldest_at=None,
        )

    async def check(self) -> None:
        """See MessageSource."""
        await self._review.check()

    async def _try_next(self, max_messages: int, max_bytes: int) -> list[Delivery]:
        window = self._chosen[self._tried : self._tried + max_messages]
        entries = await self._review.entries(window)
        fitting = _within(entries, max_bytes)
        deliveries = await self._open([entry.entry_id for entry in fitting])
        is_whole = len(fitting) == len(entries)
        self._tried += len(window) if is_whole else window.index(entries[len(fitting)].entry_id)
        return deliveries

    async def _open(self, entry_ids: Sequence[QuarantineId]) -> list[Delivery]:
        """Those that are kept and open. Raises what keeps the decryptor from opening anything."""
        messages = await self._review.messages(entry_ids)
        found = [
            (each, messages[each])
            for each in entry_ids
            if each in messages and (messages[each].waiting or not self._waiting_only)
        ]
        answers = await self._decryptor.decrypt([sealed_item(message) for _, message in found])
        for answer in answers:
            if isinstance(answer, Unavailable | Misconfigured):
                raise answer
        deliveries = []
        for (entry_id, message), answer in zip(found, answers, strict=True):
            if isinstance(answer, RawMessage):
                self._lent.add(entry_id)
                deliveries.append(_delivery(entry_id, message, answer))
            else:
                self._unopened.append(entry_id)
                logger.debug("quarantined message %d does not open", entry_id)
        return deliveries


async def replay(
    use_case: IngestSnapshot, batch_messages: int, batch_bytes: int
) -> DependencyFailed | None:
    """Ingests all that the use case's own source has, a batch at a time.

    Ends early with the batch in which a dependency failed, and returns that outcome: whatever
    would come next would meet it too. Raises what the source's `fetch` raises.
    """
    while deliveries := await use_case.source.fetch(batch_messages, batch_bytes):
        outcomes = await use_case.ingest(deliveries)
        failed = first_failure(outcomes)
        if failed is not None:
            return failed
    return None


def policy_of_replay(policy: IngestPolicy) -> IngestPolicy:
    """What is in the quarantine stays there for a person, whatever it is rejected for anew.

    Policy had its say when the message came from the stream, and grace too.
    """
    return evolve(policy, on_rejected=OnRejected.QUARANTINE, orphan_grace=timedelta(0))


def sealed_item(message: QuarantinedMessage) -> DecryptorItem:
    """What opens a quarantined message: its key, and what it is bound to."""
    return DecryptorItem(
        key=quarantine_key(waiting=message.waiting),
        ciphertext=message.ciphertext,
        aad=quarantine_aad(message.origin),
    )


def _within(entries: Sequence[QuarantineEntry], max_bytes: int) -> list[QuarantineEntry]:
    """As many from the front as fit; a single one that is larger comes alone."""
    fitting: list[QuarantineEntry] = []
    room_bytes = max_bytes
    for entry in entries:
        room_bytes -= entry.size_bytes
        if fitting and room_bytes < 0:
            break
        fitting.append(entry)
    return fitting


def _delivery(entry_id: QuarantineId, message: QuarantinedMessage, body: RawMessage) -> Delivery:
    return Delivery(
        body=body,
        origin=message.origin,
        subject=message.subject,
        received_at=message.received_at,
        attempt=1,
        receipt=_Receipt(entry_id, message.reason),
    )


def first_failure(outcomes: Sequence[Outcome]) -> DependencyFailed | None:
    """The first dependency that failed, if any did."""
    for outcome in outcomes:
        if isinstance(outcome, DependencyFailed):
            return outcome
    return None
