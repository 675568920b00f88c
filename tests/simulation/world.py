"""What outlives the workers of a simulation: the clock, the stores, the weather, the witness."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from random import Random

from attrs import frozen

from simulation.digests import TurningDigests
from simulation.fleet import KEYLESS, OWNERS, Fleet
from simulation.floors import RecreatingSource, StormyFloors
from simulation.listeners import StormyListener, StormyPositions, StormySnapshots
from simulation.loop import LoopClock, VirtualLoop
from simulation.ports import (
    Passage,
    StormyCipher,
    StormyDirectory,
    StormyQuarantine,
    StormyRepository,
    StormySource,
)
from simulation.stream import MortalStream
from simulation.waiting_ports import (
    StormyDecryptor,
    StormyResealer,
    StormyReview,
    StormyWaitingMessages,
)
from simulation.weather import Weather
from simulation.witness import PERSON, Witness
from snapshot_domain.backoff import Backoff
from snapshot_domain.errors import DependencyError
from snapshot_domain.extension import Extension
from snapshot_domain.grace import Grace
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.intake import Intake
from snapshot_domain.listening.listening import Listening
from snapshot_domain.policy import IngestPolicy, OnRejected
from snapshot_domain.ports import (
    MessageSource,
    NamedListener,
    OwnKey,
    QuarantineSelection,
    TenantKey,
)
from snapshot_domain.rejection import Rejection
from snapshot_domain.replay import ReplaySource, replay
from snapshot_domain.tasks import cancel
from snapshot_domain.waiting import WaitingSweep
from snapshot_domain.worker import Worker, WorkerLimits
from snapshot_ingest.floor_watch import FloorWatch
from snapshot_memory import (
    MemoryAckFloors,
    MemoryCipher,
    MemoryDecryptor,
    MemoryDeviceDirectory,
    MemoryHashRepository,
    MemoryKeptPositions,
    MemoryKeyring,
    MemoryMetrics,
    MemoryQuarantine,
    MemoryQuarantineCipher,
    MemoryResealer,
    MemorySnapshotDecoder,
    MemorySnapshotListener,
    MemoryStoredSnapshots,
    MemoryWaitingMessages,
)
from support.messages import device, tenant

ENDS_AFTER_SECONDS = 1_500.0
"""The virtual time after which a simulation counts as one without an end."""


LISTENER = "history"
"""The name of the listener whose position is kept."""

OWN_KEYS = (OwnKey.QUARANTINE, OwnKey.WAITING)


class LogRecorder(logging.Handler):
    """Keeps every line, and the error that would be printed below it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps it as text."""
        self.lines.append(f"{record.getMessage()} {record.exc_info}")

    @contextmanager
    def in_place_of_others(self) -> Iterator[None]:
        """Alone hears what our code logs, at every level."""
        loggers = [logging.getLogger(name) for name in ("snapshot_domain", "snapshot_ingest")]
        before = [(logger, logger.level, logger.propagate) for logger in loggers]
        for logger in loggers:
            logger.addHandler(self)
            logger.setLevel(logging.DEBUG)
            logger.propagate = False
        try:
            yield
        finally:
            for logger, level, propagates in before:
                logger.removeHandler(self)
                logger.setLevel(level)
                logger.propagate = propagates


@frozen(eq=False)
class Process:
    """A worker, and the sweep and the floor's watch beside it, as a process runs them."""

    worker: Worker
    sweep: WaitingSweep
    watch: FloorWatch
    listening: Listening

    async def run(self) -> None:
        """Until the worker has stopped."""
        beside = [asyncio.create_task(each.run()) for each in (self.sweep, self.watch)]
        listening = asyncio.create_task(self.listening.run())
        try:
            await self.worker.run()
        finally:
            await cancel(*beside)
            self.listening.stop(timedelta(seconds=2))
            await asyncio.wait([listening])


class World:
    """Everything of one seed but the workers, which it can wire to it."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(f"{seed} world")
        self.loop = VirtualLoop(Random(f"{seed} order"), ENDS_AFTER_SECONDS)
        self.clock = LoopClock(self.loop)
        self.chance_of_digests = Random(f"{seed} digests")
        self.weather = Weather(Random(f"{seed} weather"))
        self.fleet = Fleet(Random(f"{seed} fleet"))
        self.directory = MemoryDeviceDirectory()
        self.repository = MemoryHashRepository(self.directory)
        self.digests = TurningDigests(self.repository)
        self.keyring = MemoryKeyring()
        self.quarantine = MemoryQuarantine(self.clock)
        self._waiting = MemoryWaitingMessages(self.quarantine)
        self.metrics = MemoryMetrics()
        self.listener = MemorySnapshotListener()
        self.positions = MemoryKeptPositions(self.clock)
        self.source = MortalStream(clock=self.clock, fetch_wait=timedelta(seconds=4))
        self._floors = MemoryAckFloors()
        self.log = LogRecorder()
        self._backoff = Backoff(Random(f"{seed} backoff"))
        on_rejected = self.chance.choice([*[OnRejected.QUARANTINE] * 3, OnRejected.DISCARD])
        grace = timedelta(seconds=self.chance.choice([0, 15, 15, 60, 60, 240]))
        self._policy = IngestPolicy(on_rejected=on_rejected, orphan_grace=grace)
        self._limits = WorkerLimits(
            batch_messages=self.chance.choice([1, 3, 8]),
            batches_in_flight=self.chance.choice([1, 2, 3]),
            grace=timedelta(seconds=self.chance.choice([0.125, 2, 20])),
        )
        self.witness = Witness(
            self.repository.rows,
            self.quarantine,
            on_rejected is OnRejected.DISCARD,
            self.digests.plain_hex,
        )
        for own_key in OWN_KEYS:
            self.keyring.create(own_key)
        for name, owner in OWNERS.items():
            self.register(name, owner)
            if owner != KEYLESS:
                self.keyring.create(TenantKey(tenant(owner)))

    def register(self, name: str, owner: str) -> None:
        """Makes a device known, or gives it to another tenant."""
        self.directory.register(device(name), tenant(owner))
        self.witness.owners.setdefault(name, []).append((self.loop.time(), owner))
        self.witness.owned.add(f"{tenant(owner)}|{device(name)}")

    def process(
        self, number: int, die: Callable[[], None], is_stopping: Callable[[], bool]
    ) -> Process:
        """A worker and what runs beside it, all ports behind this world's weather."""
        passage = Passage(number, self.loop, self.weather, self.witness, die, is_stopping)
        floors = StormyFloors(self._floors, passage)
        recreating = RecreatingSource(self.source, floors, passage)
        source = StormySource(recreating, passage)
        listening = self.listening(passage)
        use_case = self._use_case(source, passage, listening)
        intake = self._intake(use_case, passage)
        worker = Worker(source, use_case, intake, self.metrics, self._limits)
        review = StormyReview(self.quarantine, passage)
        watch = FloorWatch(recreating, floors, review, self.metrics, self.clock)
        return Process(worker, self._sweep(use_case, intake, passage), watch, listening)

    async def replay_all(self) -> None:
        """A person replays all that the quarantine keeps now; what fails stays there."""
        passage = Passage(
            PERSON, self.loop, self.weather, self.witness, lambda: None, lambda: False
        )
        review = StormyReview(self.quarantine, passage)
        chosen = await review.select(QuarantineSelection())
        decryptor = StormyDecryptor(MemoryDecryptor(self.keyring), passage)
        source = ReplaySource(review, decryptor, chosen)
        use_case = self._use_case(source, passage, self.listening(passage))
        limits = self._limits
        with suppress(DependencyError, RuntimeError):  # the person reads it, and tries later
            await replay(use_case, limits.batch_messages, limits.batch_bytes)

    def listening(self, passage: Passage) -> Listening:
        """What tells the listener in this process, while others tell theirs."""
        listener = StormyListener(self.listener, passage)
        return Listening(
            [NamedListener(LISTENER, listener), listener],
            StormySnapshots(MemoryStoredSnapshots(self.repository), passage),
            StormyPositions(self.positions, passage),
            self.metrics,
            self.clock,
            self._backoff,
        )

    async def tell_the_rest(self) -> None:
        """A process that only listens, until the one with a name was told of all."""
        passage = Passage(
            PERSON, self.loop, self.weather, self.witness, lambda: None, lambda: False
        )
        telling = asyncio.ensure_future(self.listening(passage).run())
        snapshots = MemoryStoredSnapshots(self.repository)
        while (await snapshots.since(self.positions.position_of(LISTENER), 1)).notices:
            await self.clock.sleep(1)
        await cancel(telling)

    def _use_case(
        self, source: MessageSource, passage: Passage, listening: Listening
    ) -> IngestSnapshot:
        directory = StormyDirectory(self.directory, passage)
        repository = StormyRepository(self.repository, passage)
        cipher = StormyCipher(MemoryCipher(self.keyring), passage)
        quarantine = StormyQuarantine(self.quarantine, passage)
        for_quarantine = StormyCipher(
            MemoryQuarantineCipher(self.keyring), passage, takes_anything=True
        )
        return IngestSnapshot(
            source=source,
            decoder=MemorySnapshotDecoder(),
            directory=directory,
            repository=repository,
            cipher=cipher,
            rejection=Rejection(quarantine, for_quarantine, self._policy),
            extension=Extension(source, self.clock),
            metrics=self.metrics,
            clock=self.clock,
            backoff=self._backoff,
            policy=self._policy,
            listening=listening,
            digests=self.digests,
        )

    def _intake(self, use_case: IngestSnapshot, passage: Passage) -> Intake:
        return Intake(
            source=use_case.source,
            directory=use_case.directory,
            repository=use_case.repository,
            cipher=use_case.cipher,
            quarantine=StormyQuarantine(self.quarantine, passage),
            metrics=self.metrics,
            clock=self.clock,
            backoff=self._backoff,
            digests=use_case.digests,
        )

    def _sweep(self, use_case: IngestSnapshot, intake: Intake, passage: Passage) -> WaitingSweep:
        waiting = StormyWaitingMessages(self._waiting, passage)
        review = StormyReview(self.quarantine, passage)
        return WaitingSweep(
            use_case=use_case,
            waiting=waiting,
            review=review,
            decryptor=StormyDecryptor(MemoryDecryptor(self.keyring), passage),
            grace=Grace(
                waiting=waiting,
                review=review,
                resealer=StormyResealer(MemoryResealer(self.keyring), passage),
                metrics=self.metrics,
                policy=self._policy,
                limits=self._limits,
            ),
            intake=intake,
            limits=self._limits,
        )
