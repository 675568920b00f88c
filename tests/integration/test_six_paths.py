"""The six paths of the former subscriber, on fakes and on the real servers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
from attrs import define, frozen

from snapshot_domain.errors import Dependency, Unavailable
from snapshot_domain.outcome import (
    DependencyUnavailable,
    Malformed,
    MalformedReason,
    Orphaned,
    Outcome,
    Stored,
    Unchanged,
)
from snapshot_domain.ports import QuarantineReason
from snapshot_domain.secret import RawMessage
from snapshot_ingest.stack import EmbeddedStack
from support.faults import FaultyCipher
from support.memory_world import MemoryWorld
from support.messages import MORNING
from support.real_world import RealUseCase, RealWorld, real_world, use_case_of

HOUR = timedelta(hours=1)


class World(Protocol):
    """What a path needs of the world that it is walked in: `r1` is a device of `acme`."""

    async def publish(self, text: str, *, hours: int = 0, of: str = "r1") -> None:
        """Publishes a snapshot that was collected so many hours after the morning."""
        ...

    async def publish_raw(self, body: bytes) -> None:
        """Publishes any message."""
        ...

    async def ingest(self) -> Sequence[Outcome]:
        """One batch of what is delivered next, in time."""
        ...

    async def texts(self, of: str = "r1") -> list[str]:
        """The device's timeline, decrypted."""
        ...

    async def kept(self) -> list[QuarantineReason]:
        """Why each message in the quarantine is there."""
        ...

    async def unsettled(self) -> int:
        """How many messages are not settled."""
        ...

    def without_cipher(self) -> AbstractAsyncContextManager[None]:
        """The cipher does not answer while the block runs."""
        ...


@define
class InMemory:
    """See World."""

    world: MemoryWorld

    async def publish(self, text: str, *, hours: int = 0, of: str = "r1") -> None:
        self.world.publish(text, of=of, at=MORNING + hours * HOUR)

    async def publish_raw(self, body: bytes) -> None:
        self.world.source.publish("config.snapshot.create.x", RawMessage(body))

    async def ingest(self) -> Sequence[Outcome]:
        self.world.clock.advance(timedelta(minutes=1))
        return await self.world.ingest()

    async def texts(self, of: str = "r1") -> list[str]:
        return await self.world.texts(of)

    async def kept(self) -> list[QuarantineReason]:
        return [each.reason for each in self.world.quarantine.messages.values()]

    async def unsettled(self) -> int:
        backlog = await self.world.source.backlog()
        return backlog.pending + backlog.unsettled

    @asynccontextmanager
    async def without_cipher(self) -> AsyncIterator[None]:
        cipher = self.world.use_case.cipher
        fault = Unavailable(Dependency.CIPHER, "no answer")
        self.world.with_cipher(FaultyCipher(cipher, raises=fault))
        yield
        self.world.with_cipher(cipher)


@frozen
class OnRealServers:
    """See World."""

    world: RealWorld
    use_case: RealUseCase

    async def publish(self, text: str, *, hours: int = 0, of: str = "r1") -> None:
        await self.world.publish(text, of=of, at=MORNING + hours * HOUR)

    async def publish_raw(self, body: bytes) -> None:
        await self.world.place.publish(body)

    async def ingest(self) -> Sequence[Outcome]:
        return await self.use_case.ingest()

    async def texts(self, of: str = "r1") -> list[str]:
        return await self.world.texts(of)

    async def kept(self) -> list[QuarantineReason]:
        return [each.reason for each in await self.world.kept()]

    async def unsettled(self) -> int:
        return await self.world.unsettled()

    @asynccontextmanager
    async def without_cipher(self) -> AsyncIterator[None]:
        await self.world.stack.kill("openbao")
        try:
            yield
        finally:
            await self.world.stack.start("openbao")


@pytest.fixture
async def real(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[World]:
    async with (
        real_world(stack, tmp_path) as world,
        use_case_of(world.settings()) as use_case,
    ):
        yield OnRealServers(world, use_case)


@pytest.fixture
def memory() -> World:
    return InMemory(MemoryWorld())


@pytest.fixture(params=["memory", "real"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    return found


async def test_first_a_device_without_history_is_stored(world: World) -> None:
    await world.publish("the first")
    (outcome,) = await world.ingest()
    assert isinstance(outcome, Stored)
    assert outcome.previous_id is None
    assert await world.texts() == ["the first"]
    assert await world.unsettled() == 0


async def test_new_a_changed_text_is_stored_after_the_one_before(world: World) -> None:
    await world.publish("one")
    (first,) = await world.ingest()
    await world.publish("two", hours=6)
    (second,) = await world.ingest()
    assert isinstance(first, Stored)
    assert isinstance(second, Stored)
    assert second.previous_id == first.snapshot_id
    assert await world.texts() == ["one", "two"]
    assert await world.unsettled() == 0


async def test_duplicate_the_same_text_is_not_stored_again(world: World) -> None:
    await world.publish("same")
    await world.ingest()
    await world.publish("same", hours=6)
    assert await world.ingest() == [Unchanged()]
    assert await world.texts() == ["same"]
    assert await world.unsettled() == 0


async def test_encryption_fails_nothing_is_stored_and_it_is_when_it_comes_again(
    world: World,
) -> None:
    await world.publish("waits")
    async with world.without_cipher():
        assert await world.ingest() == [DependencyUnavailable(Dependency.CIPHER)]
        assert await world.texts() == []
        assert await world.kept() == []
        assert await world.unsettled() == 1
    (outcome,) = await world.ingest()
    assert isinstance(outcome, Stored)
    assert await world.texts() == ["waits"]
    assert await world.unsettled() == 0


async def test_malformed_it_is_kept_and_discarded_and_costs_no_other_its_place(
    world: World,
) -> None:
    await world.publish_raw(b"{not json")
    await world.publish("good")
    malformed, good = await world.ingest()
    assert malformed == Malformed(MalformedReason.NOT_JSON)
    assert isinstance(good, Stored)
    assert await world.kept() == [QuarantineReason.MALFORMED]
    assert await world.unsettled() == 0


async def test_orphan_it_is_kept_and_discarded_and_never_stored(world: World) -> None:
    await world.publish("whose", of="unknown")
    assert await world.ingest() == [Orphaned()]
    assert await world.kept() == [QuarantineReason.ORPHAN]
    assert await world.texts("unknown") == []
    assert await world.unsettled() == 0
