"""A world in memory: every port, wired to the use case, with a look at all of it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from attrs import define, evolve, field

from snapshot_domain.backoff import Backoff
from snapshot_domain.delivery import Settlement
from snapshot_domain.digests import KeyedDigests
from snapshot_domain.events import ListenerFailed
from snapshot_domain.extension import Extension
from snapshot_domain.grace import Grace
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.intake import Intake
from snapshot_domain.listening.listening import Listening
from snapshot_domain.model import DeviceId, TenantId
from snapshot_domain.outcome import Outcome
from snapshot_domain.policy import IngestPolicy
from snapshot_domain.ports import (
    Cipher,
    DecryptorItem,
    HashRepository,
    MessageSource,
    OwnKey,
    Resealer,
    SnapshotListener,
    TenantKey,
    WaitingMessages,
)
from snapshot_domain.rejection import Rejection
from snapshot_domain.secret import Secret
from snapshot_domain.tasks import cancel
from snapshot_domain.waiting import WaitingSweep
from snapshot_domain.worker import WorkerLimits
from snapshot_memory import (
    ManualClock,
    MemoryCipher,
    MemoryDecryptor,
    MemoryDeviceDirectory,
    MemoryDigestKeys,
    MemoryHashRepository,
    MemoryKeptPositions,
    MemoryKeyring,
    MemoryMessageSource,
    MemoryMetrics,
    MemoryQuarantine,
    MemoryQuarantineCipher,
    MemoryQuarantineReview,
    MemoryResealer,
    MemorySnapshotDecoder,
    MemorySnapshotListener,
    MemoryStoredSnapshots,
    MemoryWaitingMessages,
)
from support.messages import MORNING, device, message, subject_of, tenant
from support.waiting import until


@define
class MemoryWorld:
    """Two tenants, `acme` and `zeta`, and their devices; everything settled in memory."""

    clock: ManualClock = field(factory=lambda: ManualClock(MORNING + timedelta(days=1)))
    source: MemoryMessageSource = field(init=False)
    directory: MemoryDeviceDirectory = field(factory=MemoryDeviceDirectory)
    repository: MemoryHashRepository = field(init=False)
    keyring: MemoryKeyring = field(factory=MemoryKeyring)
    quarantine: MemoryQuarantine = field(init=False)
    metrics: MemoryMetrics = field(factory=MemoryMetrics)
    listener: MemorySnapshotListener = field(factory=MemorySnapshotListener)
    positions: MemoryKeptPositions = field(init=False)
    use_case: IngestSnapshot = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.source = MemoryMessageSource(self.clock)
        self.quarantine = MemoryQuarantine(self.clock)
        self.positions = MemoryKeptPositions(self.clock)
        self.repository = MemoryHashRepository(self.directory)
        for key in OwnKey:
            self.keyring.create(key)
        for name in ("acme", "zeta"):
            self.keyring.create(TenantKey(tenant(name)))
        for name in ("r1", "r2", "r3"):
            self.directory.register(device(name), tenant("acme"))
        self.directory.register(device("z1"), tenant("zeta"))
        policy = IngestPolicy()
        self.use_case = IngestSnapshot(
            source=self.source,
            decoder=MemorySnapshotDecoder(),
            directory=self.directory,
            repository=self.repository,
            cipher=MemoryCipher(self.keyring),
            rejection=Rejection(self.quarantine, MemoryQuarantineCipher(self.keyring), policy),
            extension=Extension(self.source, self.clock),
            metrics=self.metrics,
            clock=self.clock,
            backoff=Backoff(Random(7)),
            policy=policy,
            listening=self.listening_of(self.listener),
        )

    def listening_of(self, *listeners: SnapshotListener) -> Listening:
        """What tells these listeners of what is stored in this world."""
        return Listening(
            listeners,
            MemoryStoredSnapshots(self.repository),
            self.positions,
            self.metrics,
            self.clock,
            Backoff(Random(7)),
        )

    async def tell_listeners(self) -> None:
        """Returns when all that waits for them was told, or one of them failed."""
        listening, seen = self.use_case.listening, len(self.metrics.events)

        def is_over() -> bool:
            new = self.metrics.events[seen:]
            return not listening.queued or any(isinstance(each, ListenerFailed) for each in new)

        telling = asyncio.ensure_future(listening.run())
        await until(is_over)
        await cancel(telling)

    def with_policy(self, policy: IngestPolicy) -> None:
        """Replaces the use case's policy."""
        rejection = evolve(self.use_case.rejection, policy=policy)
        self.use_case = evolve(self.use_case, policy=policy, rejection=rejection)

    def with_cipher(self, cipher: Cipher) -> None:
        """Replaces the use case's cipher."""
        self.use_case = evolve(self.use_case, cipher=cipher)

    def with_keyed_digests(self) -> KeyedDigests:
        """Keys the use case's digests from now on, with this world's one key."""
        digests = KeyedDigests(
            MemoryDigestKeys(self.repository),
            MemoryCipher(self.keyring),
            MemoryDecryptor(self.keyring),
        )
        self.use_case = evolve(self.use_case, digests=digests)
        return digests

    def with_repository(self, repository: HashRepository) -> None:
        """Replaces the use case's repository."""
        self.use_case = evolve(self.use_case, repository=repository)

    def intake(self, source: MessageSource | None = None) -> Intake:
        """What pauses a worker of this world."""
        return Intake(
            source=source or self.source,
            directory=self.directory,
            repository=self.use_case.repository,
            cipher=self.use_case.cipher,
            quarantine=self.quarantine,
            metrics=self.metrics,
            clock=self.clock,
            backoff=self.use_case.backoff,
            digests=self.use_case.digests,
        )

    def sweep(
        self,
        waiting: WaitingMessages | None = None,
        resealer: Resealer | None = None,
        intake: Intake | None = None,
        limits: WorkerLimits | None = None,
        page_messages: int = 500,
    ) -> WaitingSweep:
        """A sweep over what waits in this world, with its policy."""
        limits = limits or WorkerLimits()
        waiting = waiting or MemoryWaitingMessages(self.quarantine)
        review = MemoryQuarantineReview(self.quarantine)
        return WaitingSweep(
            use_case=self.use_case,
            waiting=waiting,
            review=review,
            decryptor=MemoryDecryptor(self.keyring),
            grace=Grace(
                waiting=waiting,
                review=review,
                resealer=resealer or MemoryResealer(self.keyring),
                metrics=self.metrics,
                policy=self.use_case.policy,
                limits=limits,
            ),
            intake=intake or self.intake(),
            limits=limits,
            page_messages=page_messages,
        )

    def publish(
        self,
        text: str,
        *,
        of: str = "r1",
        owner: str = "acme",
        at: datetime | None = MORNING,
        **overrides: object,
    ) -> int:
        """Publishes a snapshot and returns its sequence."""
        body = message(device(of), tenant(owner), text, at, **overrides)
        return self.source.publish(subject_of(device(of)), body)

    async def ingest(self) -> Sequence[Outcome]:
        """One batch of everything that may be delivered now."""
        outcomes = await self.use_case.ingest(await self.source.fetch(1_000, 1 << 30))
        await self.tell_listeners()
        return outcomes

    def settlements(self) -> list[Settlement]:
        """How everything was settled so far, in order."""
        return [settlement for _, settlement in self.source.settled]

    async def texts(self, of: str = "r1") -> list[str]:
        """The device's timeline: the text of each run, in order, decrypted."""
        timeline = self.repository.timelines.get(device(of), [])
        return [await self.text_of(run.snapshot_id, run.tenant_id) for run in timeline]

    async def text_of(self, snapshot_id: UUID, owner: TenantId) -> str:
        """The text of one stored row, decrypted."""
        row = next(row for key, row in self.repository.rows.items() if key == snapshot_id)
        item = DecryptorItem(TenantKey(owner), row.ciphertext)
        (plaintext,) = await MemoryDecryptor(self.keyring).decrypt([item])
        assert isinstance(plaintext, Secret)
        return plaintext.reveal().decode()

    def runs(self, of: str = "r1") -> list[tuple[datetime, datetime]]:
        """The device's timeline: start and end of each run, in order."""
        return [
            (run.start[0], run.end[0])
            for run in self.repository.timelines.get(DeviceId(device(of)), [])
        ]
