"""What is done with messages that cannot be ingested: they are sealed and kept, or discarded."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import assert_never

from attrs import frozen

from snapshot_domain.batch import Batch
from snapshot_domain.delivery import Origin
from snapshot_domain.errors import (
    Contended,
    Dependency,
    DependencyError,
    Misconfigured,
    RateLimited,
    Refused,
    Unavailable,
)
from snapshot_domain.model import Ciphertext
from snapshot_domain.outcome import (
    DependencyBusy,
    DependencyMisconfigured,
    DependencyUnavailable,
    DigestMismatched,
    ItemRefused,
    Malformed,
    Orphaned,
    RejectedOutcome,
    RetriedOutcome,
    TenantKeyMissing,
    Unforeseen,
)
from snapshot_domain.policy import IngestPolicy, OnRejected
from snapshot_domain.ports import (
    CipherItem,
    OwnKey,
    Quarantine,
    QuarantineCipher,
    QuarantinedMessage,
    QuarantineReason,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@frozen(eq=False)
class Rejection:
    """Sees to it that a rejected message is safe before it is discarded.

    A message that could not be kept gets another outcome, which brings it back later.
    """

    quarantine: Quarantine
    cipher: QuarantineCipher
    policy: IngestPolicy

    async def keep(self, batch: Batch) -> None:
        """Puts the batch's rejected messages into the quarantine, as far as policy asks for it.

        Whatever fails, afterwards each rejected message is kept, may be discarded by policy, or
        has an outcome that brings it back.
        """
        try:
            await self._keep_rejected(batch)
        except Exception as fault:  # noqa: BLE001 - whatever it is, nothing may be discarded
            for index, _ in batch.rejected():
                batch.retry_instead(index, _outcome_of(fault))

    async def _keep_rejected(self, batch: Batch) -> None:
        rejected = [
            (index, outcome) for index, outcome in batch.rejected() if self._is_kept(outcome)
        ]
        if not rejected:
            return
        sealed = await self._seal(batch, rejected)
        await self._keep(batch, sealed)

    def _is_kept(self, outcome: RejectedOutcome) -> bool:
        return self.policy.on_rejected is OnRejected.QUARANTINE or self._is_waiting(outcome)

    def _is_waiting(self, outcome: RejectedOutcome) -> bool:
        """Nobody did anything wrong: its key, or for a while its device, may still appear."""
        if isinstance(outcome, Orphaned):
            return self.policy.orphan_grace > timedelta(0)
        return isinstance(outcome, TenantKeyMissing)

    async def _seal(
        self, batch: Batch, rejected: Sequence[tuple[int, RejectedOutcome]]
    ) -> list[tuple[int, QuarantinedMessage]]:
        items = [
            CipherItem(
                key=quarantine_key(waiting=self._is_waiting(outcome)),
                plaintext=batch.deliveries[index].body,
                aad=quarantine_aad(batch.deliveries[index].origin),
            )
            for index, outcome in rejected
        ]
        answers = await self.cipher.encrypt(items)
        sealed = []
        for (index, outcome), answer in zip(rejected, answers, strict=True):
            if isinstance(answer, Ciphertext):
                waiting = self._is_waiting(outcome)
                message = _message(batch, index, outcome, answer, waiting=waiting)
                sealed.append((index, message))
            else:
                batch.retry_instead(index, _outcome_of(answer))
        return sealed

    async def _keep(self, batch: Batch, sealed: Sequence[tuple[int, QuarantinedMessage]]) -> None:
        """All at once; one that is refused is found by keeping each alone."""
        if not sealed:
            return
        fault = await self._try_to_keep([message for _, message in sealed])
        if isinstance(fault, Refused) and len(sealed) > 1:
            for one in sealed:
                await self._keep(batch, [one])
        elif fault is not None:
            for index, _ in sealed:
                batch.retry_instead(index, _outcome_of(fault))

    async def _try_to_keep(self, messages: Sequence[QuarantinedMessage]) -> DependencyError | None:
        try:
            await self.quarantine.keep(messages)
        except DependencyError as fault:
            return fault
        return None


def quarantine_key(*, waiting: bool) -> OwnKey:
    """The key of a quarantined body: what waits has one that ingestion itself may open."""
    return OwnKey.WAITING if waiting else OwnKey.QUARANTINE


def quarantine_aad(origin: Origin) -> str:
    """What a quarantined body is bound to: `si1q|stream|creation time in ns|sequence`.

    The creation time is cut to microseconds, like every time of the domain.
    """
    created_ns = (origin.stream_created_at - _EPOCH) // timedelta(microseconds=1) * 1000
    return f"si1q|{origin.stream}|{created_ns}|{origin.sequence}"


def _message(
    batch: Batch, index: int, outcome: RejectedOutcome, ciphertext: Ciphertext, *, waiting: bool
) -> QuarantinedMessage:
    delivery = batch.deliveries[index]
    candidate = batch.candidates.get(index)
    reason, detail = _reason_of(outcome)
    return QuarantinedMessage(
        origin=delivery.origin,
        subject=delivery.subject,
        received_at=delivery.received_at,
        reason=reason,
        detail=detail,
        waiting=waiting,
        device_id=candidate.key.device_id if candidate else None,
        tenant_id=candidate.key.tenant_id if candidate else None,
        size_bytes=delivery.body.size_bytes,
        ciphertext=ciphertext,
    )


def _reason_of(outcome: RejectedOutcome) -> tuple[QuarantineReason, str]:
    match outcome:
        case Malformed(reason):
            return QuarantineReason.MALFORMED, reason.value
        case Orphaned():
            return QuarantineReason.ORPHAN, ""
        case DigestMismatched():
            return QuarantineReason.HASH_MISMATCH, ""
        case ItemRefused(by):
            if by is Dependency.CIPHER:
                return QuarantineReason.CIPHER_REFUSED, ""
            return QuarantineReason.REPOSITORY_REFUSED, ""
        case TenantKeyMissing():
            return QuarantineReason.KEY_MISSING, ""
        case _:
            assert_never(outcome)


def _outcome_of(fault: Exception) -> RetriedOutcome:
    """Nothing that the quarantine would not take may be discarded: it comes again instead."""
    match fault:
        case RateLimited():
            return DependencyBusy(fault.dependency, fault.retry_after)
        case Contended():
            return DependencyBusy(fault.dependency)
        case Unavailable():
            return DependencyUnavailable(fault.dependency)
        case Misconfigured():
            return DependencyMisconfigured(fault.dependency, str(fault))
        case DependencyError():
            return DependencyMisconfigured(Dependency.QUARANTINE, str(fault))
        case _:
            return Unforeseen(type(fault).__name__)
