"""The ports as one worker sees them: the memory adapters, in whatever weather there is."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from attrs import frozen

from simulation.fleet import is_refused
from simulation.loop import VirtualLoop
from simulation.weather import Weather
from simulation.witness import Sighting, Witness
from snapshot_domain.delivery import Delivery, Retry, Settlement
from snapshot_domain.errors import Dependency, Refused, Unavailable
from snapshot_domain.model import DeviceId, EncryptedSnapshot, SnapshotKey, TenantId
from snapshot_domain.ports import (
    Backlog,
    Cipher,
    CipherAnswer,
    CipherItem,
    DeviceDirectory,
    HashRepository,
    MessageSource,
    Quarantine,
    QuarantinedMessage,
    StoreAnswer,
)


@frozen(eq=False)
class Passage:
    """What lies between one worker and a port: time, faults, and the worker's end."""

    worker: int
    loop: VirtualLoop
    weather: Weather
    witness: Witness
    die: Callable[[], None]
    is_stopping: Callable[[], bool]

    async def step(self, step: str) -> None:
        """Takes a while; if the worker is killed here, it never returns."""
        self.witness.trace.append(f"{self.loop.time():.3f} {self.worker} {step}")
        if self.weather.kills():
            self.die()
        await asyncio.sleep(self.weather.delay_seconds())

    async def cross(self, dependency: Dependency, step: str) -> None:
        """A step that fails if the dependency does."""
        await self.step(step)
        fault = self.weather.fault(dependency, self.loop.time())
        if fault is not None:
            self.witness.trace.append(f"{self.worker} {step} {type(fault).__name__}")
            raise fault


@frozen(eq=False)
class StormySource:
    """Loses fetched messages on the way, reorders them, and settles some of a batch."""

    inner: MessageSource
    passage: Passage

    async def fetch(self, max_messages: int, max_bytes: int) -> Sequence[Delivery]:
        """See MessageSource."""
        await self.passage.cross(Dependency.SOURCE, "fetch")
        deliveries = list(await self.inner.fetch(max_messages, max_bytes))
        if not deliveries:
            return deliveries
        await self.passage.cross(Dependency.SOURCE, f"fetched {_numbers(deliveries)}")
        if self.passage.weather.strikes():
            deliveries.reverse()
        self.passage.witness.handed(self.passage.worker, deliveries)
        return deliveries

    async def settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        """See MessageSource."""
        self._note(settlements)
        await self.passage.cross(Dependency.SOURCE, "settle")
        arriving = settlements
        if self.passage.weather.flickers():
            arriving = settlements[: len(settlements) // 2]
        await self.inner.settle(arriving)
        self.passage.witness.settles(self.passage.worker, arriving)
        await self.passage.cross(Dependency.SOURCE, "settled")
        if len(arriving) < len(settlements):
            raise Unavailable(Dependency.SOURCE, "some settlements are lost")

    def _note(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        witness = self.passage.witness
        witness.asks_to_settle(settlements)
        said = [f"{each.origin.sequence}:{type(how).__name__}" for each, how in settlements]
        witness.trace.append(f"{self.passage.worker} {' '.join(said)}")
        gives_back = any(isinstance(how, Retry) and not how.after for _, how in settlements)
        if gives_back and self.passage.is_stopping():
            witness.sightings.add(Sighting.GIVEN_BACK)

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        """See MessageSource."""
        await self.passage.cross(Dependency.SOURCE, "extend")
        await self.inner.extend(deliveries)
        self.passage.witness.sightings.add(Sighting.EXTENDED)

    async def backlog(self) -> Backlog:
        """See MessageSource."""
        return await self.inner.backlog()

    async def check(self) -> None:
        """See MessageSource."""
        await self.passage.cross(Dependency.SOURCE, "check source")


@frozen(eq=False)
class StormyDirectory:
    """Fails before or after it has looked."""

    inner: DeviceDirectory
    passage: Passage

    async def owners(self, devices: AbstractSet[DeviceId]) -> Mapping[DeviceId, TenantId]:
        """See DeviceDirectory."""
        await self.passage.step("owners")
        owners = await self.inner.owners(devices)
        await self.passage.cross(Dependency.DIRECTORY, "owners known")
        return owners

    async def check(self) -> None:
        """See DeviceDirectory."""
        await self.passage.cross(Dependency.DIRECTORY, "check directory")


@frozen(eq=False)
class StormyRepository:
    """Fails before the commit or loses its answer, and its hints grow old on the way."""

    inner: HashRepository
    passage: Passage

    async def unchanged(self, keys: Sequence[SnapshotKey]) -> Sequence[bool]:
        """See HashRepository."""
        await self.passage.step("hint")
        hints = await self.inner.unchanged(keys)
        await self.passage.cross(Dependency.REPOSITORY, "hinted")
        return hints

    async def store(self, batch: Sequence[EncryptedSnapshot]) -> Sequence[StoreAnswer]:
        """See HashRepository."""
        witness, worker = self.passage.witness, self.passage.worker
        devices = frozenset(each.key.device_id for each in batch)
        store = witness.begins_to_store(worker, devices)
        try:
            await self.passage.cross(Dependency.REPOSITORY, "store")
            answers = await self.inner.store(batch)
            witness.committed(worker, batch, answers)
            witness.trace.append(" ".join(type(answer).__name__ for answer in answers))
            await self._answer()
        finally:
            witness.ends_to_store(store)
        return answers

    async def _answer(self) -> None:
        try:
            await self.passage.cross(Dependency.REPOSITORY, "committed")
        except Exception:
            self.passage.witness.sightings.add(Sighting.LOST_ANSWER)
            raise

    async def check(self) -> None:
        """See HashRepository."""
        await self.passage.cross(Dependency.REPOSITORY, "check repository")


@frozen(eq=False)
class StormyCipher:
    """Fails as a whole or for some items; a text that is refused it never takes."""

    inner: Cipher
    passage: Passage
    takes_anything: bool = False

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        """See Cipher."""
        if not self.takes_anything:
            self.passage.witness.encrypts(items)
        await self.passage.cross(Dependency.CIPHER, f"encrypt {len(items)}")
        answers = await self.inner.encrypt(items)
        await self.passage.step("encrypted")
        return [self._answer(item, it) for item, it in zip(items, answers, strict=True)]

    def _answer(self, item: CipherItem, answer: CipherAnswer) -> CipherAnswer:
        if not self.takes_anything and is_refused(item.plaintext.reveal().decode()):
            return Refused(Dependency.CIPHER, "it is odd")
        if self.passage.weather.flickers():
            return Unavailable(Dependency.CIPHER, "down for this one")
        return answer

    async def check(self) -> None:
        """See Cipher."""
        await self.passage.cross(Dependency.CIPHER, "check cipher")


@frozen(eq=False)
class StormyQuarantine:
    """Keeps all, some or none before it fails."""

    inner: Quarantine
    passage: Passage

    async def keep(self, messages: Sequence[QuarantinedMessage]) -> None:
        """See Quarantine."""
        await self.passage.cross(Dependency.QUARANTINE, "keep")
        if self.passage.weather.flickers():
            await self.inner.keep(messages[: len(messages) // 2])
            raise Unavailable(Dependency.QUARANTINE, "down in the middle")
        await self.inner.keep(messages)
        await self.passage.cross(Dependency.QUARANTINE, "kept")

    async def check(self) -> None:
        """See Quarantine."""
        await self.passage.cross(Dependency.QUARANTINE, "check quarantine")


def _numbers(deliveries: Sequence[Delivery]) -> str:
    return " ".join(f"{each.origin.sequence}.{each.attempt}" for each in deliveries)
