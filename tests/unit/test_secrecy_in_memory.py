"""A secret takes every way through the use case, in memory, and only its source still holds it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TypeVar, cast

import pytest
from attrs import evolve

from snapshot_conformance.secret_canary import SecretCanary
from snapshot_conformance.secret_canary_kept import ObjectsPlace
from snapshot_conformance.secret_canary_watch import SecretWatch, secret_canary
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.model import EncryptedSnapshot
from snapshot_domain.outcome import Unforeseen
from snapshot_domain.policy import HashPolicy, IngestPolicy, OnRejected
from snapshot_domain.ports import CipherAnswer, CipherItem, StoreAnswer
from snapshot_domain.secret import RawMessage
from support.faults import FailingListener, FaultyCipher, FaultyRepository
from support.memory_world import MemoryWorld
from support.messages import MORNING, device, message, subject_of, tenant

__all__ = ["secret_canary"]

Port = TypeVar("Port")


def _bodies(canary: SecretCanary) -> Iterator[bytes]:
    """One for each way that a message can take."""
    secret = f"/ppp secret add password={canary.text}"
    known, owner = device("r1"), tenant("acme")
    for overrides in (
        {},
        {"device_id": canary.text},
        {"tenant_id": f"x/../../{canary.text}"},
        {"sha256_hash": canary.text},
        {"sha256_hash": "a" * 64},
        {"config_text": [canary.text]},
        {"collected_at": canary.text},
        {canary.text: canary.text},
    ):
        yield message(known, owner, secret, MORNING, **overrides).reveal()
    yield message(device("nobody's"), owner, secret).reveal()
    yield message(known, tenant("other"), secret).reveal()
    yield message(device("r2"), tenant("acme"), f"changed {secret}").reveal()
    yield b"{" + secret.encode()
    yield json.dumps([secret]).encode()
    yield b"\xff" + secret.encode()
    yield b"[" * 2_000 + canary.text.encode()


def _publish(world: MemoryWorld, canary: SecretCanary) -> None:
    for body in _bodies(canary):
        world.source.publish(subject_of(device("r1")), RawMessage(body))


def _look_into(watch: SecretWatch, world: MemoryWorld, outcomes: list[object]) -> None:
    """All but the source, which is the stream, and the keyring, which is OpenBao."""
    stored: list[object] = [world.repository, world.quarantine, world.listener]
    watch.places.append(ObjectsPlace("what is stored", stored))
    watch.places.append(ObjectsPlace("outcomes and events", [outcomes, world.metrics]))


@pytest.fixture
async def watched(secret_canary: SecretWatch) -> AsyncIterator[SecretWatch]:
    """A watch that must come to a proof when the test is over."""
    yield secret_canary
    report = await secret_canary.report()
    assert report.is_proof, str(report)


@pytest.mark.parametrize("hash_policy", HashPolicy)
@pytest.mark.parametrize("on_rejected", OnRejected)
async def test_no_outcome_shows_or_stores_the_text(
    watched: SecretWatch, hash_policy: HashPolicy, on_rejected: OnRejected
) -> None:
    world = MemoryWorld()
    world.with_policy(IngestPolicy(hash_policy=hash_policy, on_rejected=on_rejected))
    _publish(world, watched.canary)
    outcomes: list[object] = [*await world.ingest()]
    _look_into(watched, world, outcomes)
    assert len({type(outcome) for outcome in outcomes}) >= 4


class _Driver(Exception):
    """An error as drivers make them: the request is in its text and in its attributes."""

    def __init__(self, request: object) -> None:
        self.request = request
        super().__init__(f"bad request {request!r}")


class _RaisingCipher(FaultyCipher):
    """Breaks its promise, with what it was given in the error."""

    async def encrypt(self, items: Sequence[CipherItem]) -> Sequence[CipherAnswer]:
        raise _Driver([item.plaintext.reveal() for item in items])


class _RaisingRepository(FaultyRepository):
    """The same of a repository, which has only ciphertext: the text comes from elsewhere."""

    text = ""

    async def store(self, batch: Sequence[EncryptedSnapshot]) -> Sequence[StoreAnswer]:
        raise _Driver((self.text, len(batch)))


async def test_an_adapter_that_breaks_its_promise_spreads_no_text(watched: SecretWatch) -> None:
    worlds = [MemoryWorld() for _ in range(3)]
    worlds[0].with_cipher(_RaisingCipher(worlds[0].use_case.cipher))
    repository = _RaisingRepository(worlds[1].repository)
    repository.text = watched.canary.text
    worlds[1].with_repository(repository)
    worlds[2].use_case = _with_listener(worlds[2])
    outcomes: list[object] = []
    for world in worlds:
        _publish(world, watched.canary)
        outcomes += await world.ingest()
        _look_into(watched, world, outcomes)
    assert any(isinstance(outcome, Unforeseen) for outcome in outcomes)
    assert any("_Driver" in repr(outcome) for outcome in outcomes)


def _with_listener(world: MemoryWorld) -> IngestSnapshot:
    return evolve(world.use_case, listening=world.listening_of(FailingListener()))


def _slowed(port: Port) -> Port:
    return cast("Port", _Yielding(port))


class _Yielding:
    """Waits once before and once after each call, so that a cancellation can strike there."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        called = getattr(self._inner, name)
        if not asyncio.iscoroutinefunction(called):
            return called

        async def slowly(*arguments: object) -> object:
            await asyncio.sleep(0)
            answer = await called(*arguments)
            await asyncio.sleep(0)
            return answer

        return slowly


async def _cancelled_after(steps: int, world: MemoryWorld, watch: SecretWatch) -> bool:
    """Ingests everything, cancels at that await; whether there was one."""
    deliveries = await world.source.fetch(1_000, 1 << 30)
    running = asyncio.ensure_future(world.use_case.ingest(deliveries))
    for _ in range(steps):
        await asyncio.sleep(0)
    was_running = not running.done()
    running.cancel()
    async with watch.keeping_errors():
        await running
    return was_running


async def test_a_cancellation_at_any_await_shows_no_text(watched: SecretWatch) -> None:
    steps = 0
    was_running = True
    while was_running:
        world = MemoryWorld()
        use_case = world.use_case
        world.use_case = evolve(
            use_case,
            source=_slowed(use_case.source),
            directory=_slowed(use_case.directory),
            repository=_slowed(use_case.repository),
            cipher=_slowed(use_case.cipher),
        )
        _publish(world, watched.canary)
        steps += 1
        was_running = await _cancelled_after(steps, world, watched)
        _look_into(watched, world, [])
    assert steps > 10
    assert all(isinstance(each, asyncio.CancelledError) for each in watched.errors.errors)
    assert len(watched.errors.errors) == steps - 1
