"""Ports that fail on demand, around ports that work."""

import asyncio
from collections.abc import Callable, Sequence

from attrs import define, field

from snapshot_domain.delivery import Delivery, Settlement
from snapshot_domain.model import EncryptedSnapshot, Snapshot, SnapshotKey
from snapshot_domain.outcome import MalformedReason
from snapshot_domain.ports import (
    Backlog,
    Cipher,
    CipherAnswer,
    CipherItem,
    HashRepository,
    MessageSource,
    Quarantine,
    QuarantinedMessage,
    SnapshotDecoder,
    SnapshotNotice,
    StoreAnswer,
)
from snapshot_domain.secret import RawMessage


@define
class Gate:
    """Holds whoever passes until it is opened, and tells that somebody came."""

    reached: asyncio.Event = field(factory=asyncio.Event)
    opened: asyncio.Event = field(factory=asyncio.Event)

    async def pass_through(self) -> None:
        """Waits until the gate is open."""
        self.reached.set()
        await self.opened.wait()


@define
class FaultyCipher:
    """Answers with a fault for the items that `fault_for` gives one; counts what it is asked."""

    inner: Cipher
    fault_for: Callable[[CipherItem], CipherAnswer | None] = lambda _: None
    raises: Exception | None = None
    gate: Gate | None = None
    asked: list[CipherItem] = field(factory=list)
    check_faults: list[Exception] = field(factory=list)

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        """See Cipher."""
        self.asked.extend(items)
        if self.gate is not None:
            await self.gate.pass_through()
        if self.raises is not None:
            raise self.raises
        answers = await self.inner.encrypt(items)
        return [self.fault_for(item) or answer for item, answer in zip(items, answers, strict=True)]

    async def check(self) -> None:
        """See Cipher."""
        if self.check_faults:
            raise self.check_faults.pop()


@define
class FaultyRepository:
    """Fails before the commit, or after it, which is a lost answer."""

    inner: HashRepository
    hint: bool | None = None
    refuses: Callable[[EncryptedSnapshot], StoreAnswer | None] = lambda _: None
    raises_before: Exception | None = None
    raises_after: Exception | None = None
    stores: list[Sequence[EncryptedSnapshot]] = field(factory=list)

    async def unchanged(self, keys: Sequence[SnapshotKey]) -> Sequence[bool]:
        """See HashRepository."""
        if self.hint is not None:
            return [self.hint] * len(keys)
        return await self.inner.unchanged(keys)

    async def store(self, batch: Sequence[EncryptedSnapshot]) -> Sequence[StoreAnswer]:
        """See HashRepository."""
        self.stores.append(batch)
        if self.raises_before is not None:
            raise self.raises_before
        refusals = {index: self.refuses(item) for index, item in enumerate(batch)}
        taken = [index for index, refusal in refusals.items() if refusal is None]
        answers = dict(
            zip(taken, await self.inner.store([batch[index] for index in taken]), strict=True)
        )
        if self.raises_after is not None:
            raise self.raises_after
        return [refusals[index] or answers[index] for index in range(len(batch))]

    async def check(self) -> None:
        """See HashRepository."""


@define
class FaultyQuarantine:
    """Raises what `fault_for` gives for what it is asked to keep."""

    inner: Quarantine
    fault_for: Callable[[Sequence[QuarantinedMessage]], Exception | None]

    async def keep(self, messages: Sequence[QuarantinedMessage]) -> None:
        """See Quarantine."""
        fault = self.fault_for(messages)
        if fault is not None:
            raise fault
        await self.inner.keep(messages)

    async def check(self) -> None:
        """See Quarantine."""


@define
class FaultySource:
    """Fails to fetch or to settle, as often as told; holds a fetch at a gate."""

    inner: MessageSource
    fetch_faults: list[BaseException] = field(factory=list)
    settle_faults: list[Exception] = field(factory=list)
    fetch_gate: Gate | None = None
    settle_gate: Gate | None = None
    check_faults: list[Exception] = field(factory=list)
    check_gate: Gate | None = None
    extended: int = 0
    fetches: int = 0

    async def fetch(self, max_messages: int, max_bytes: int) -> Sequence[Delivery]:
        """See MessageSource."""
        self.fetches += 1
        await asyncio.sleep(0)
        if self.fetch_gate is not None:
            await self.fetch_gate.pass_through()
        if self.fetch_faults:
            raise self.fetch_faults.pop(0)
        return await self.inner.fetch(max_messages, max_bytes)

    async def settle(self, settlements: Sequence[tuple[Delivery, Settlement]]) -> None:
        """See MessageSource."""
        if self.settle_gate is not None:
            await self.settle_gate.pass_through()
        if self.settle_faults:
            raise self.settle_faults.pop(0)
        await self.inner.settle(settlements)

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        """See MessageSource."""
        self.extended += len(deliveries)
        await self.inner.extend(deliveries)

    async def backlog(self) -> Backlog:
        """See MessageSource."""
        return await self.inner.backlog()

    async def check(self) -> None:
        """See MessageSource."""
        if self.check_gate is not None:
            await self.check_gate.pass_through()
        if self.check_faults:
            raise self.check_faults.pop()


@define
class FaultyDecoder:
    """Breaks its promise never to raise, for the bodies that `breaks_on` picks."""

    inner: SnapshotDecoder
    breaks_on: Callable[[RawMessage], bool]

    def decode(self, body: RawMessage) -> Snapshot | MalformedReason:
        """See SnapshotDecoder."""
        if self.breaks_on(body):
            raise ZeroDivisionError("a fault that nobody thought of")
        return self.inner.decode(body)


class FailingListener:
    """A listener that always fails."""

    async def stored(self, notices: Sequence[SnapshotNotice]) -> None:
        """See SnapshotListener."""
        raise RuntimeError(f"broken at {len(notices)} notices")
