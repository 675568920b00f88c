"""The sweep over what waits in the quarantine: stored once its device or its key is there."""

from collections.abc import Sequence
from datetime import timedelta

from attrs import evolve

from snapshot_domain.errors import DependencyError, Misconfigured
from snapshot_domain.events import WaitingObserved
from snapshot_domain.extension import Extension
from snapshot_domain.grace import Grace, in_batches
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.intake import Intake
from snapshot_domain.journal import logger
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.outcome import DependencyBusy
from snapshot_domain.ports import (
    CipherItem,
    Decryptor,
    QuarantineId,
    QuarantineReason,
    QuarantineReview,
    TenantKey,
    WaitingMessage,
    WaitingMessages,
)
from snapshot_domain.replay import ReplaySource, first_failure, policy_of_replay
from snapshot_domain.secret import Secret
from snapshot_domain.worker import WorkerLimits

_EVERY_SECONDS = 5.0
_REST_FOR_EACH_SECOND = 9.0
_REST_SECONDS_AT_MOST = 30.0
_CLAIM_LASTS = timedelta(seconds=30)
_BEFORE_ALL = QuarantineId(0)
_PROBE_TEXT = b"snapshot-ingest"


class WaitingSweep:
    """Looks every few seconds; what it finds ready goes through the use case, at its own time.

    An orphan is ready when its device is there and its tenant's, a message without a key when
    that key encrypts. An orphan that is not ready when its grace is over waits no more, and
    neither does what cannot be opened. A message that is rejected anew stays in the quarantine,
    whatever policy says: it is there already.
    """

    def __init__(
        self,
        use_case: IngestSnapshot,
        waiting: WaitingMessages,
        review: QuarantineReview,
        decryptor: Decryptor,
        grace: Grace,
        intake: Intake,
        limits: WorkerLimits,
        *,
        page_messages: int = 500,
    ) -> None:
        self._use_case = use_case
        self._waiting = waiting
        self._review = review
        self._decryptor = decryptor
        self._grace = grace
        self._intake = intake
        self._limits = limits
        self._page_messages = page_messages
        self._batch_messages = limits.batch_messages
        self._clock = use_case.clock
        self._complained_of = ""

    async def run(self) -> None:
        """Sweeps until it is cancelled, with a rest after each look that grows with its length."""
        while True:
            began = self._clock.monotonic()
            if self._intake.is_open:
                await self._try_to_look()
            rest_seconds = _REST_FOR_EACH_SECOND * (self._clock.monotonic() - began)
            rest_seconds = min(max(_EVERY_SECONDS, rest_seconds), _REST_SECONDS_AT_MOST)
            await self._clock.sleep(rest_seconds)

    async def look(self) -> None:
        """Goes over all that waits now, once; what comes later is for the next look.

        Ends early when a dependency fails; raises `DependencyError` if nothing came of it.
        """
        counts = await self._waiting.counts()
        orphans = counts.get(QuarantineReason.ORPHAN, 0)
        self._use_case.metrics.record(
            WaitingObserved(orphans=orphans, keyless=sum(counts.values()) - orphans)
        )
        usable: dict[TenantId, bool] = {}
        after = _BEFORE_ALL
        goes_on = True
        while goes_on:
            page = await self._waiting.page(after, self._page_messages)
            goes_on = await self._handle(page, usable) and len(page) == self._page_messages
            after = page[-1].entry_id if page else after

    async def _try_to_look(self) -> None:
        try:
            await self.look()
        except Misconfigured as fault:
            self._complain(str(fault))
        except DependencyError as fault:
            logger.debug("what waits in the quarantine goes on waiting: %s", fault)
        except Exception as fault:  # noqa: BLE001 - what waits is safe, and the worker goes on
            self._complain(f"unforeseen {type(fault).__name__}")

    def _complain(self, what: str) -> None:
        """Once for each fault: it lasts until an operator acts, and something works again."""
        if what != self._complained_of:
            self._complained_of = what
            logger.error("what waits in the quarantine goes on waiting: %s", what)

    async def _handle(self, page: Sequence[WaitingMessage], usable: dict[TenantId, bool]) -> bool:
        """Whether to go on: a failing dependency would fail for the next page as well."""
        orphans = [each for each in page if each.reason is QuarantineReason.ORPHAN]
        keyless = [each for each in page if each.reason is not QuarantineReason.ORPHAN]
        ready = {*await self._with_device(orphans), *await self._with_key(keyless, usable)}
        goes_on = await self._release([each for each in page if each.entry_id in ready])
        await self._end([each for each in orphans if each.entry_id not in ready])
        return goes_on

    async def _with_device(self, orphans: Sequence[WaitingMessage]) -> list[QuarantineId]:
        devices = {each.device_id for each in orphans if each.device_id is not None}
        if not devices:
            return []
        owners = await self._use_case.directory.owners(devices)
        return [
            each.entry_id
            for each in orphans
            if each.device_id is not None and owners.get(each.device_id) == each.tenant_id
        ]

    async def _with_key(
        self, keyless: Sequence[WaitingMessage], usable: dict[TenantId, bool]
    ) -> list[QuarantineId]:
        """`usable` is what this look knows already: each tenant's key is tried once a look."""
        tenants = {each.tenant_id for each in keyless if each.tenant_id is not None}
        unknown = sorted(tenants - usable.keys())
        if unknown:
            probes = [CipherItem(TenantKey(each), Secret(_PROBE_TEXT)) for each in unknown]
            answers = await self._use_case.cipher.encrypt(probes)
            for tenant_id, answer in zip(unknown, answers, strict=True):
                usable[tenant_id] = isinstance(answer, Ciphertext)
        return [each.entry_id for each in keyless if each.tenant_id and usable[each.tenant_id]]

    async def _claim(self, messages: Sequence[WaitingMessage]) -> list[WaitingMessage]:
        """Those of them that are now ours, in their order."""
        if not messages:
            return []
        ids = [message.entry_id for message in messages]
        claimed = await self._waiting.claim(ids, _CLAIM_LASTS)
        return [message for message in messages if message.entry_id in claimed]

    async def _release(self, ready: Sequence[WaitingMessage]) -> bool:
        """Ingests them a batch at a time; whether every dependency does its work.

        In another order each time, and fewer at a time while somebody is in the way: one device
        that is held locked makes its whole batch wait, and must not do so to the same others
        for ever.
        """
        rest = self._use_case.backoff.random.sample(ready, len(ready))
        while rest:
            limits = evolve(self._limits, batch_messages=self._batch_messages)
            batch = next(in_batches(rest, limits))
            rest = rest[len(batch) :]
            claimed = await self._claim(batch)
            if claimed and not await self._ingest([each.entry_id for each in claimed]):
                return False
        return True

    async def _ingest(self, claimed: Sequence[QuarantineId]) -> bool:
        limits = self._limits
        source = ReplaySource(self._review, self._decryptor, claimed, waiting_only=True)
        use_case = self._over(source)
        while deliveries := await source.fetch(limits.batch_messages, limits.batch_bytes):
            outcomes = await use_case.ingest(deliveries)
            self._intake.note(outcomes, limits.batches_in_flight)
            failed = first_failure(outcomes)
            self._adapt(is_busy=isinstance(failed, DependencyBusy))
            if failed is not None and not isinstance(failed, DependencyBusy):
                return False
        await self._grace.hand_over(source.unopened)
        self._complained_of = ""
        logger.info("%d messages that waited in the quarantine were tried again", len(claimed))
        return self._intake.is_open

    def _adapt(self, *, is_busy: bool) -> None:
        wider = self._batch_messages // 2 if is_busy else self._batch_messages * 2
        self._batch_messages = min(max(wider, 1), self._limits.batch_messages)

    def _over(self, source: ReplaySource) -> IngestSnapshot:
        use_case = self._use_case
        policy = policy_of_replay(use_case.policy)
        return evolve(
            use_case,
            source=source,
            extension=Extension(source, use_case.clock),
            policy=policy,
            rejection=evolve(use_case.rejection, policy=policy),
        )

    async def _end(self, orphans: Sequence[WaitingMessage]) -> None:
        over = await self._claim([each for each in orphans if self._grace.is_over(each)])
        if over:
            await self._grace.end(over)
            self._complained_of = ""
