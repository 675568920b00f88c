"""The sweep over what waits in the quarantine: stored once its device or its key is there."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from attrs import evolve

from snapshot_domain.errors import DependencyError, Misconfigured
from snapshot_domain.events import WaitingObserved
from snapshot_domain.extension import Extension
from snapshot_domain.grace import Grace
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.intake import Intake
from snapshot_domain.journal import logger
from snapshot_domain.model import Ciphertext, TenantId
from snapshot_domain.policy import OnRejected
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
from snapshot_domain.replay import DependencyFailed, ReplaySource, replay
from snapshot_domain.secret import Secret
from snapshot_domain.worker import WorkerLimits

_EVERY_SECONDS = 5.0
_REST_FOR_EACH_SECOND = 9.0
_REST_SECONDS_AT_MOST = 30.0
_PAGE = 500
_CLAIM_LASTS = timedelta(seconds=30)
_BEFORE_ALL = QuarantineId(0)
_PROBE_TEXT = b"snapshot-ingest"


class WaitingSweep:
    """Looks every few seconds; what it finds ready goes through the use case, at its own time.

    An orphan is ready when its device is there and its tenant's, a message without a key when
    that key encrypts. An orphan that is not ready when its grace is over waits no more. A
    message that is rejected anew stays in the quarantine for its new reason, whatever policy
    says: it is there already.
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
    ) -> None:
        self._use_case = use_case
        self._waiting = waiting
        self._review = review
        self._decryptor = decryptor
        self._grace = grace
        self._intake = intake
        self._limits = limits
        self._clock = use_case.clock
        self._complained_of = ""

    async def run(self) -> None:
        """Sweeps until it is cancelled, with a rest after each look that grows with its length."""
        while True:
            began = self._clock.monotonic()
            if not self._intake.faults:
                await self._try_to_look()
            rest_seconds = _REST_FOR_EACH_SECOND * (self._clock.monotonic() - began)
            rest_seconds = min(max(_EVERY_SECONDS, rest_seconds), _REST_SECONDS_AT_MOST)
            await self._clock.sleep(rest_seconds)

    async def look(self) -> None:
        """Goes over all that waits, once.

        Ends early when a dependency fails; raises `DependencyError` if nothing came of it.
        """
        usable: dict[TenantId, bool] = {}
        waiting: Counter[QuarantineReason] = Counter()
        after = _BEFORE_ALL
        while page := await self._waiting.page(after, _PAGE):
            after = page[-1].entry_id
            waiting.update(message.reason for message in page)
            if not await self._handle(page, usable):
                return
        self._use_case.metrics.record(
            WaitingObserved(
                orphans=waiting[QuarantineReason.ORPHAN],
                keyless=waiting[QuarantineReason.KEY_MISSING],
            )
        )

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
        goes_on = await self._release([each.entry_id for each in page if each.entry_id in ready])
        over = [
            each for each in orphans if each.entry_id not in ready and self._grace.is_over(each)
        ]
        claimed = await self._claim([each.entry_id for each in over])
        if claimed:
            await self._grace.end([each for each in over if each.entry_id in claimed])
            self._complained_of = ""
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

    async def _claim(self, entry_ids: Sequence[QuarantineId]) -> list[QuarantineId]:
        """Those of them that are now ours, in their order."""
        if not entry_ids:
            return []
        claimed = await self._waiting.claim(entry_ids, _CLAIM_LASTS)
        return [each for each in entry_ids if each in claimed]

    async def _release(self, ready: Sequence[QuarantineId]) -> bool:
        """Ingests them; whether no dependency failed."""
        claimed = await self._claim(ready)
        if not claimed:
            return True
        source = ReplaySource(self._review, self._decryptor, claimed)
        limits = self._limits
        failed = await replay(self._over(source), limits.batch_messages, limits.batch_bytes)
        self._complained_of = ""
        self._tell(claimed, failed)
        return failed is None

    def _over(self, source: ReplaySource) -> IngestSnapshot:
        """The use case with this source, and with a quarantine for whatever is rejected anew."""
        use_case = self._use_case
        policy = evolve(use_case.policy, on_rejected=OnRejected.QUARANTINE)
        return evolve(
            use_case,
            source=source,
            extension=Extension(source, use_case.clock),
            rejection=evolve(use_case.rejection, policy=policy),
        )

    def _tell(self, claimed: Sequence[QuarantineId], failed: DependencyFailed | None) -> None:
        logger.info(
            "%d messages that waited in the quarantine were tried again%s",
            len(claimed),
            "" if failed is None else f", until the {failed.dependency} failed",
        )
