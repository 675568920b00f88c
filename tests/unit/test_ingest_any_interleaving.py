"""Any interleaving of what can happen, against a model that shares no code with the use case.

The model knows only what was published and how each delivery was settled. It keeps no runs and
decides nothing: it checks what the rules of the timeline promise.
"""

import asyncio
import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterable, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from attrs import define, evolve, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from snapshot_domain.delivery import Ack, Delivery, Discard, Settlement
from snapshot_domain.errors import Dependency, Refused, Unavailable
from snapshot_domain.model import DeviceId, EncryptedSnapshot, SnapshotKey, TenantId
from snapshot_domain.ports import CipherAnswer, CipherItem, QuarantinedMessage, StoreAnswer
from snapshot_domain.secret import RawMessage
from snapshot_memory import MemoryCipher
from support.faults import FaultySource
from support.memory_world import MemoryWorld
from support.messages import MORNING, device, tenant

T = TypeVar("T")
DEVICES = ["r1", "r2", "z1", "unknown"]
TENANTS = ["acme", "zeta"]
TEXTS = ["A canary", "B canary", "C canary"]
ODD_BODIES = [b"", b"null", b"[]", b'{"config_text": "canary"}', b"\xff canary", b'"canary"']
FAULTS = ["cipher", "cipher refuses", "before commit", "after commit", "quarantine", "hint"]

Position = tuple[datetime, int]


@define
class Published:
    """What the model knows of one message on the stream; None where it is no snapshot."""

    device: str | None
    text: str = ""
    owner: str = ""
    position: Position = (MORNING, 0)


class Weather:
    """The faults of the next ingestion, and how often each port lets others run."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.random = Random(0)

    async def pass_time(self) -> None:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)


@define
class StormyCipher:
    world: MemoryWorld
    weather: Weather

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        await self.weather.pass_time()
        if self.weather.fault == "cipher":
            raise Unavailable(Dependency.CIPHER, "down")
        answers = list(await MemoryCipher(self.world.keyring).encrypt(items))
        if self.weather.fault == "cipher refuses":
            answers[0] = Refused(Dependency.CIPHER, "odd")
        await self.weather.pass_time()
        return answers

    async def check(self) -> None: ...


@define
class StormyRepository:
    world: MemoryWorld
    weather: Weather

    async def unchanged(self, keys: Sequence[SnapshotKey]) -> Sequence[bool]:
        hints = await self.world.repository.unchanged(keys)
        await self.weather.pass_time()
        return [not hint for hint in hints] if self.weather.fault == "hint" else hints

    async def store(self, batch: Sequence[EncryptedSnapshot]) -> Sequence[StoreAnswer]:
        await self.weather.pass_time()
        if self.weather.fault == "before commit":
            raise Unavailable(Dependency.REPOSITORY, "down")
        answers = await self.world.repository.store(batch)
        await self.weather.pass_time()
        if self.weather.fault == "after commit":
            raise Unavailable(Dependency.REPOSITORY, "the answer was lost")
        return answers

    async def check(self) -> None: ...


@define
class StormyQuarantine:
    world: MemoryWorld
    weather: Weather

    async def keep(self, messages: Sequence[QuarantinedMessage]) -> None:
        await self.weather.pass_time()
        if self.weather.fault == "quarantine":
            raise Unavailable(Dependency.QUARANTINE, "down")
        await self.world.quarantine.keep(messages)

    async def check(self) -> None: ...


@define
class RecordingSource(FaultySource):
    """A source that also remembers each settlement by sequence and attempt."""

    by_delivery: Counter[tuple[int, int]] = field(factory=Counter)
    settlements: dict[int, Settlement] = field(factory=dict)

    async def settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        for delivery, settlement in settlements:
            self.by_delivery[delivery.origin.sequence, delivery.attempt] += 1
            if not isinstance(self.settlements.get(delivery.origin.sequence), Ack | Discard):
                self.settlements[delivery.origin.sequence] = settlement
        await self.inner.settle(settlements)


class LogRecorder(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class AnyInterleaving(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = MemoryWorld()
        self.weather = Weather()
        self.recording = RecordingSource(self.world.source)
        self.world.use_case = evolve(
            self.world.use_case,
            source=self.recording,
            cipher=StormyCipher(self.world, self.weather),
            repository=StormyRepository(self.world, self.weather),
            rejection=evolve(
                self.world.use_case.rejection,
                quarantine=StormyQuarantine(self.world, self.weather),
            ),
        )
        self.published: dict[int, Published] = {}
        self.held: list[list[Delivery]] = []
        self.ingested: Counter[tuple[int, int]] = Counter()
        self.tampered: set[DeviceId] = set()
        self.log = LogRecorder()
        self.logger = logging.getLogger("snapshot_domain")
        self.logger.addHandler(self.log)
        self.logger.setLevel(logging.DEBUG)

    def teardown(self) -> None:
        self.the_storm_ends_and_everything_is_settled_for_good()
        self.rule_4_of_the_timeline_holds()
        self.logger.removeHandler(self.log)
        self.logger.setLevel(logging.NOTSET)
        self.loop.close()

    def run_async(self, coroutine: Coroutine[object, object, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    @rule(
        of=st.sampled_from(DEVICES),
        owner=st.sampled_from(TENANTS),
        text=st.sampled_from(TEXTS),
        minute=st.integers(0, 30),
    )
    def a_snapshot_is_published(self, of: str, owner: str, text: str, minute: int) -> None:
        at = MORNING + timedelta(minutes=minute)
        sequence = self.world.publish(text, of=of, owner=owner, at=at)
        self.published[sequence] = Published(of, text, owner, (at, sequence))

    @rule(of=st.sampled_from(["r1", "r2"]), text=st.sampled_from(TEXTS), minute=st.integers(0, 30))
    def a_lawful_snapshot_is_published(self, of: str, text: str, minute: int) -> None:
        owner = next(
            name for name in TENANTS if tenant(name) == self.world.directory.owner_of(device(of))
        )
        self.a_snapshot_is_published(of, owner, text, minute)

    @rule(body=st.sampled_from(ODD_BODIES))
    def something_malformed_is_published(self, body: bytes) -> None:
        sequence = self.world.source.publish("s", RawMessage(body))
        self.published[sequence] = Published(None)

    @rule(most=st.integers(1, 6))
    def a_worker_fetches(self, most: int) -> None:
        deliveries = self.run_async(self.world.source.fetch(most, 1 << 20))
        if deliveries:
            self.held.append(list(deliveries))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), fault=st.none() | st.sampled_from(FAULTS), seed=st.integers(0, 99))
    def workers_ingest_what_they_hold(
        self, data: st.DataObject, fault: str | None, seed: int
    ) -> None:
        workers = data.draw(st.integers(1, min(2, len(self.held))))
        batches = [self.held.pop(0) for _ in range(workers)]
        self.weather.fault, self.weather.random = fault, Random(seed)
        for batch in batches:
            self.ingested.update((each.origin.sequence, each.attempt) for each in batch)

        async def at_once() -> None:
            await asyncio.gather(*(self.world.use_case.ingest(batch) for batch in batches))

        self.run_async(at_once())

    @precondition(lambda self: self.held)
    @rule()
    def a_worker_dies(self) -> None:
        self.held.pop()

    @rule(seconds=st.sampled_from([1, 31]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(timedelta(seconds=seconds))

    @precondition(lambda self: self.world.repository.rows)
    @rule(data=st.data())
    def a_row_is_deleted_behind_our_back(self, data: st.DataObject) -> None:
        snapshot_id = data.draw(st.sampled_from(sorted(self.world.repository.rows)))
        row = self.world.repository.rows.pop(snapshot_id)
        self.tampered.add(row.device_id)

    @rule(of=st.sampled_from(["r1", "z1"]), owner=st.sampled_from(TENANTS))
    def a_device_moves_to_a_tenant(self, of: str, owner: str) -> None:
        self.world.directory.register(device(of), tenant(owner))

    @rule()
    def the_storm_ends_and_everything_is_settled_for_good(self) -> None:
        self.weather.fault = None
        self.held.clear()

        async def drain() -> None:
            for _ in range(10):
                self.world.clock.advance(timedelta(seconds=31))
                batch = await self.world.source.fetch(1_000, 1 << 20)
                self.ingested.update((each.origin.sequence, each.attempt) for each in batch)
                await self.world.use_case.ingest(batch)
                if (await self.world.source.backlog()).is_empty:
                    return

        self.run_async(drain())
        settled = self.recording.settlements
        assert set(settled) == set(self.published)
        assert all(isinstance(each, Ack | Discard) for each in settled.values())

    @invariant()
    def every_delivery_is_settled_exactly_once(self) -> None:
        assert self.recording.by_delivery == self.ingested

    @invariant()
    def nothing_leaves_the_stream_unless_it_was_acknowledged_or_kept(self) -> None:
        kept = {each.origin.sequence for each in self.world.quarantine.messages.values()}
        for sequence, settlement in self.recording.settlements.items():
            if isinstance(settlement, Discard):
                assert sequence in kept
            if isinstance(settlement, Ack):
                assert self.published[sequence].device is not None

    @invariant()
    def rule_4_of_the_timeline_holds(self) -> None:
        for device_id, messages in self.acknowledged().items():
            timeline = self.world.repository.timelines[device_id]
            stored = collapsed((run.tenant_id, run.digest.hex) for run in timeline)
            arrived = collapsed((tenant(each.owner), digest(each.text)) for each in messages)
            starts = [run.start for run in timeline]
            assert starts == sorted(set(starts))
            assert all(run.start <= run.end for run in timeline)
            if device_id in self.tampered or device_id in self.in_doubt():
                continue
            assert is_subsequence(stored, arrived)
            assert stored[0] == arrived[0]
            assert stored[-1] == arrived[-1]
            assert set(stored) == set(arrived)
            assert {run.snapshot_id for run in timeline} <= set(self.world.repository.rows)

    @invariant()
    def no_plaintext_is_anywhere_it_must_not_be(self) -> None:
        shown = [
            *map(repr, self.world.repository.rows.values()),
            *(row.ciphertext.text for row in self.world.repository.rows.values()),
            *(kept.ciphertext.text for kept in self.world.quarantine.messages.values()),
            repr(self.world.quarantine),
            repr(self.world.metrics.events[-1:]),
            repr(self.world.listener.notices[-1:]),
            *self.log.lines,
        ]
        assert not any("canary" in text for text in shown)
        self.log.lines.clear()

    def in_doubt(self) -> set[DeviceId]:
        """Devices with a message that may be stored already though it will come again."""
        return {
            device(published.device)
            for sequence, _ in self.ingested
            if (published := self.published[sequence]).device is not None
            and not isinstance(self.recording.settlements.get(sequence), Ack | Discard)
        }

    def acknowledged(self) -> dict[DeviceId, list[Published]]:
        """The acknowledged messages by device, in order of time and sequence."""
        messages: dict[DeviceId, list[Published]] = defaultdict(list)
        for sequence, settlement in self.recording.settlements.items():
            published = self.published[sequence]
            if isinstance(settlement, Ack) and published.device is not None:
                messages[device(published.device)].append(published)
        for each in messages.values():
            each.sort(key=lambda published: published.position)
        return messages


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def collapsed(texts: Iterable[tuple[TenantId, str]]) -> list[tuple[TenantId, str]]:
    """The texts without those that only repeat the one before."""
    result: list[tuple[TenantId, str]] = []
    for text in texts:
        if not result or result[-1] != text:
            result.append(text)
    return result


def is_subsequence(part: Sequence[object], whole: Sequence[object]) -> bool:
    remaining = iter(whole)
    return all(any(each == other for other in remaining) for each in part)


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, derandomize=True
)
