"""IngestSnapshot, the use case: from a batch of deliveries to stored snapshots, settled."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence

from attrs import field, frozen

from snapshot_domain.backoff import Backoff
from snapshot_domain.batch import Batch, Candidate
from snapshot_domain.delivery import Delivery
from snapshot_domain.digests import DigestKey, Digests, PlainDigests
from snapshot_domain.errors import DependencyError
from snapshot_domain.events import SettlementFailed, Stage
from snapshot_domain.extension import Extension
from snapshot_domain.journal import Journal, logger
from snapshot_domain.listening.listening import Listening
from snapshot_domain.listening.notices import notice_of
from snapshot_domain.model import (
    Ciphertext,
    DeviceId,
    Digest,
    EncryptedSnapshot,
    Snapshot,
    SnapshotFlag,
    TenantId,
    configuration_aad,
)
from snapshot_domain.outcome import (
    DigestMismatched,
    Malformed,
    Orphaned,
    Outcome,
    Stored,
    Unforeseen,
)
from snapshot_domain.policy import HashPolicy, IngestPolicy
from snapshot_domain.ports import (
    Cipher,
    CipherItem,
    Clock,
    DeviceDirectory,
    HashRepository,
    MessageSource,
    Metrics,
    NeedsCiphertext,
    SnapshotDecoder,
    SnapshotNotice,
    TenantKey,
)
from snapshot_domain.rejection import Rejection
from snapshot_domain.settlement import outcome_of, settlement_for
from snapshot_domain.tasks import both, to_its_end
from snapshot_domain.timeline import key_of, look_unchanged


@frozen(eq=False)
class IngestSnapshot:
    """Decodes, looks up, encrypts, stores, and then settles: in that order, a batch at a time.

    Nothing is acknowledged before its commit, nothing is discarded before it is quarantined
    (or policy says that it may be), and one message's fault never costs another its place.
    """

    source: MessageSource
    decoder: SnapshotDecoder
    directory: DeviceDirectory
    repository: HashRepository
    cipher: Cipher
    rejection: Rejection
    extension: Extension
    metrics: Metrics
    clock: Clock
    backoff: Backoff
    policy: IngestPolicy
    listening: Listening
    digests: Digests = field(factory=PlainDigests)
    journal: Journal = field(factory=Journal)

    async def ingest(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Takes the deliveries through to their end, and returns what became of each.

        Every delivery is settled exactly once, also if the call is cancelled: what was
        committed by then is acknowledged, and the rest is given back at once.
        """
        batch = Batch(deliveries, self.clock)
        try:
            async with self.extension.of(deliveries):
                await self._decide(batch)
        except asyncio.CancelledError:
            batch.give_back()
            await to_its_end(self._end(batch))
            raise
        await to_its_end(self._end(batch))
        return batch.outcomes

    async def _decide(self, batch: Batch) -> None:
        """Gives each message its outcome, and keeps the rejected ones."""
        fault = await self._fault_of(self._walk(batch))
        batch.decide_rest(fault or _NOTHING_DECIDED)
        with batch.stage(Stage.QUARANTINE):
            await self.rejection.keep(batch)

    async def _fault_of(self, step: Awaitable[None]) -> Outcome | None:
        """What becomes of the messages that the step left undecided; None if it went well."""
        try:
            await step
        except DependencyError as fault:
            return outcome_of(fault)
        except Exception as fault:  # noqa: BLE001 - the design's last row: it comes again, never lost
            return Unforeseen(type(fault).__name__)
        return None

    async def _walk(self, batch: Batch) -> None:
        digest_key = await self.digests.key()
        with batch.stage(Stage.DECODE):
            candidates = self._decode(batch, digest_key)
        with batch.stage(Stage.LOOK_UP):
            unchanged, changed = await self._look_up(batch, candidates)
        encrypted = await self._encrypt(batch, changed)
        stale = await self._store(batch, unchanged + encrypted)
        await self._store(batch, await self._encrypt(batch, stale))

    def _decode(self, batch: Batch, digest_key: DigestKey | None) -> list[Candidate]:
        for index, delivery in enumerate(batch.deliveries):
            try:
                decoded = self.decoder.decode(delivery.body)
            except Exception as fault:  # noqa: BLE001 - one message's fault costs no other its place
                batch.decide(index, Unforeseen(type(fault).__name__))
                continue
            if isinstance(decoded, Snapshot):
                self._accept(batch, index, decoded, digest_key)
            else:
                batch.decide(index, Malformed(decoded))
        return [
            candidate
            for candidate in batch.candidates.values()
            if not batch.is_decided(candidate.index)
        ]

    def _accept(
        self, batch: Batch, index: int, snapshot: Snapshot, digest_key: DigestKey | None
    ) -> None:
        delivery = batch.deliveries[index]
        key, received_time_used = key_of(snapshot, delivery, self.policy.max_clock_ahead)
        flags = SnapshotFlag.RECEIVED_TIME if received_time_used else SnapshotFlag.NONE
        if self._digest_differs(snapshot):
            flags |= SnapshotFlag.DIGEST_MISMATCH
            if self.policy.hash_policy is HashPolicy.ENFORCE:
                batch.decide(index, DigestMismatched())
        known_as = key if digest_key is None else digest_key.keyed(key)
        text = snapshot.configuration
        batch.candidates[index] = Candidate(index, known_as, flags, text.size_bytes, text)

    def _digest_differs(self, snapshot: Snapshot) -> bool:
        if self.policy.hash_policy is HashPolicy.TRUST:
            return False
        return Digest.of(snapshot.configuration) != snapshot.digest

    async def _look_up(
        self, batch: Batch, candidates: Sequence[Candidate]
    ) -> tuple[list[Candidate], list[Candidate]]:
        """Those that look unchanged, and those that don't; orphans are neither.

        Both are asked at once: what is said of an orphan is not looked at.
        """
        if not candidates:
            return [], []
        keys = [candidate.key for candidate in candidates]
        owners, hints = await both(
            self.directory.owners({key.device_id for key in keys}),
            self.repository.unchanged(keys),
        )
        hint_of = dict(zip((candidate.index for candidate in candidates), hints, strict=True))
        owned = _without_orphans(batch, candidates, owners)
        looks = look_unchanged(
            [candidate.key for candidate in owned],
            [hint_of[candidate.index] for candidate in owned],
        )
        unchanged = [each for each, same in zip(owned, looks, strict=True) if same]
        changed = [each for each, same in zip(owned, looks, strict=True) if not same]
        return unchanged, changed

    async def _encrypt(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
        if not candidates:
            return []
        with batch.stage(Stage.ENCRYPT):
            answers = await self.cipher.encrypt([_cipher_item(each) for each in candidates])
        encrypted = []
        for candidate, answer in zip(candidates, answers, strict=True):
            if isinstance(answer, Ciphertext):
                candidate.encrypted_as(answer)
                encrypted.append(candidate)
            else:
                batch.decide(candidate.index, outcome_of(answer))
        return encrypted

    async def _store(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Stores them all in one transaction; returns those that need a ciphertext after all."""
        if not candidates:
            return []
        with batch.stage(Stage.STORE):
            answers = await self.repository.store([_encrypted(each) for each in candidates])
        stale = []
        for candidate, answer in zip(candidates, answers, strict=True):
            if not isinstance(answer, NeedsCiphertext):
                batch.decide(candidate.index, answer)
            elif candidate.ciphertext is None:
                stale.append(candidate)
        return stale

    async def _end(self, batch: Batch) -> None:
        """Settles each message, and tells of what was stored: also where the call is cancelled."""
        await self._settle(batch)
        if self.listening.has_listeners:
            self.listening.put(_notices(batch))

    async def _settle(self, batch: Batch) -> None:
        settlements = [
            (delivery, settlement_for(outcome, delivery.attempt, self.backoff))
            for delivery, outcome in zip(batch.deliveries, batch.outcomes, strict=True)
        ]
        with batch.stage(Stage.SETTLE):
            fault = await self._fault_of(self.source.settle(settlements))
        if fault is not None:
            logger.warning("%d settlements are not confirmed and may come again", len(settlements))
            self.metrics.record(SettlementFailed(len(settlements)))
        self.metrics.record(batch.handled())
        self.journal.write(batch)


_NOTHING_DECIDED = Unforeseen("NothingDecided")
"""The walk ended without a fault and left a message undecided: a port broke its promise."""


def _without_orphans(
    batch: Batch, candidates: Sequence[Candidate], owners: Mapping[DeviceId, TenantId]
) -> list[Candidate]:
    owned = []
    for candidate in candidates:
        if owners.get(candidate.key.device_id) == candidate.key.tenant_id:
            owned.append(candidate)
        else:
            batch.decide(candidate.index, Orphaned())
    return owned


def _cipher_item(candidate: Candidate) -> CipherItem:
    key = candidate.key
    if candidate.plaintext is None:
        raise AssertionError("a snapshot is to be encrypted that already was")
    return CipherItem(
        key=TenantKey(key.tenant_id),
        plaintext=candidate.plaintext,
        aad=configuration_aad(key.tenant_id, key.device_id, key.digest),
    )


def _encrypted(candidate: Candidate) -> EncryptedSnapshot:
    return EncryptedSnapshot(
        key=candidate.key,
        ciphertext=candidate.ciphertext,
        plaintext_bytes=candidate.plaintext_bytes,
        flags=candidate.flags,
    )


def _notices(batch: Batch) -> list[SnapshotNotice]:
    """In order of time, so that of a device's late snapshots the later comes last."""
    notices = [
        notice_of(_encrypted(batch.candidates[index]), outcome)
        for index, outcome in enumerate(batch.outcomes)
        if isinstance(outcome, Stored)
    ]
    return sorted(notices, key=lambda notice: notice.key.position)
