"""A worker over the memory adapters, with the real decoder; all that is said is written down."""

import asyncio
import logging
import traceback
from collections import defaultdict
from collections.abc import Sequence

from attrs import field, frozen

from fuzz.drafts import KEYLESS
from snapshot_domain.delivery import Delivery
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.model import Snapshot
from snapshot_domain.outcome import MalformedReason, Outcome
from snapshot_domain.policy import IngestPolicy
from snapshot_domain.ports import SnapshotDecoder
from snapshot_domain.rejection import Rejection
from snapshot_domain.secret import RawMessage
from snapshot_domain.tasks import cancel
from snapshot_domain.worker import Worker, WorkerLimits
from snapshot_json import JsonSnapshotDecoder
from snapshot_memory import MemoryQuarantineCipher
from support.memory_world import MemoryWorld
from support.messages import device, subject_of, tenant

_LIMITS = WorkerLimits(batch_messages=64)
_IDLE_TURNS = 2_000
_ENDS_WITHIN_SECONDS = 60.0


class Words(logging.Handler):
    """Everything that could be read by somebody: log records, errors, and objects' own texts."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Writes down the line, its traceback included, and what its arguments look like."""
        self.lines.append(f"{record.name} {record.levelname} {self.format(record)} {record.args!r}")

    def show(self, shown: object) -> None:
        """Writes down what the object says of itself."""
        self.lines.append(repr(shown))


@frozen
class WatchedDecoder:
    """The decoder, whose answers and errors are written down."""

    inner: SnapshotDecoder
    words: Words

    def decode(self, body: RawMessage) -> Snapshot | MalformedReason:
        """See SnapshotDecoder."""
        try:
            decoded = self.inner.decode(body)
        except Exception as error:
            self.words.lines.extend(traceback.format_exception(error))
            raise
        self.words.show(decoded)
        return decoded


@frozen(eq=False)
class WatchedIngest(IngestSnapshot):
    """The use case, with what it said of each sequence, every time that it was asked."""

    words: Words = field(factory=Words)
    said: dict[int, list[Outcome]] = field(factory=lambda: defaultdict(list))

    async def ingest(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """See IngestSnapshot."""
        self.words.show(deliveries)
        outcomes = await super().ingest(deliveries)
        for delivery, outcome in zip(deliveries, outcomes, strict=True):
            self.said[delivery.origin.sequence].append(outcome)
        return outcomes


@frozen
class Lab:
    """One batch of inputs, before a worker takes it and after."""

    world: MemoryWorld
    use_case: WatchedIngest
    bodies: Sequence[bytes] = field(repr=False)
    words: Words

    @classmethod
    def of(cls, bodies: Sequence[bytes], policy: IngestPolicy) -> "Lab":
        """The inputs on the stream of a world of their own; the first has the sequence 1."""
        words, world = Words(), MemoryWorld()
        world.directory.register(device("k1"), tenant(KEYLESS))
        wired = world.use_case
        use_case = WatchedIngest(
            source=world.source,
            decoder=WatchedDecoder(JsonSnapshotDecoder(), words),
            directory=wired.directory,
            repository=wired.repository,
            cipher=wired.cipher,
            rejection=Rejection(world.quarantine, MemoryQuarantineCipher(world.keyring), policy),
            extension=wired.extension,
            metrics=wired.metrics,
            clock=wired.clock,
            backoff=wired.backoff,
            policy=policy,
            listening=wired.listening,
            words=words,
        )
        for body in bodies:
            world.source.publish(subject_of(device("r1")), RawMessage(body))
        return cls(world, use_case, bodies, words)

    async def run(self) -> None:
        """Returns when every input was settled, or no more will be, and the worker has stopped.

        Raises TimeoutError where that never comes.
        """
        world = self.world
        worker = Worker(world.source, self.use_case, world.intake(), world.metrics, _LIMITS)
        root = logging.getLogger()
        level = root.level
        root.addHandler(self.words)
        root.setLevel(logging.DEBUG)
        working = asyncio.create_task(worker.run())
        try:
            async with asyncio.timeout(_ENDS_WITHIN_SECONDS):
                await self._until_settled(working)
                worker.stop()
                await working
        finally:
            await cancel(working)
            root.setLevel(level)
            root.removeHandler(self.words)
        self.words.show(world)

    async def _until_settled(self, working: "asyncio.Task[None]") -> None:
        """Nothing here waits for anything but its turn: after many of them, nothing will come."""
        settled, idle_turns = 0, 0
        while settled < len(self.bodies) and idle_turns < _IDLE_TURNS and not working.done():
            await asyncio.sleep(0)
            idle_turns = 0 if len(self.world.source.settled) > settled else idle_turns + 1
            settled = len(self.world.source.settled)
