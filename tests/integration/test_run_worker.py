"""`run` starts without its servers, says when it is ready, and lets go in order."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGKILL, SIGSTOP, SIGTERM, Signals

import pytest

from snapshot_ingest.exit_codes import INTERRUPTED
from snapshot_ingest.stack import EmbeddedStack, ServerName
from snapshot_ingest.stack.process import is_running
from support.command import finished, running
from support.http import fetched, is_ready, metric
from support.messages import MORNING
from support.real_world import RealWorld, real_world
from support.waiting import until, until_true

_SERVERS: tuple[ServerName, ...] = ("nats", "openbao", "postgres")
_DEPENDENCIES: dict[ServerName, str] = {
    "nats": "source",
    "openbao": "cipher",
    "postgres": "repository",
}
_SNAPSHOTS = 30
_HEALS_SECONDS = 60
# Far below the consumer's ack_wait: what is given back is delivered to others at once.
_AT_ONCE_SECONDS = 15
# Far below the time that a server has to answer, let alone the grace.
_HURRIED_SECONDS = 4


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with real_world(stack, tmp_path) as world:
        yield world


def _run(world: RealWorld, *overrides: str) -> tuple[object, ...]:
    settings = [word for override in overrides for word in ("--set", override)]
    return ("--config", world.config, *settings, "run")


async def _publish(world: RealWorld) -> None:
    for number in range(_SNAPSHOTS):
        await world.publish(f"version {number}", at=MORNING + number * timedelta(hours=6))


async def _until_all_are_stored(world: RealWorld, seconds: float = _HEALS_SECONDS) -> None:
    async def are_settled() -> bool:
        return await world.unsettled() == 0

    await until_true(are_settled, seconds=seconds)
    assert await world.texts() == [f"version {number}" for number in range(_SNAPSHOTS)]


async def _until_ready(url: str) -> None:
    await until_true(lambda: is_ready(url), seconds=_HEALS_SECONDS)


@contextmanager
def _frozen_openbao(stack: EmbeddedStack) -> Iterator[None]:
    """OpenBao takes requests and answers none: what is in hand stays in hand."""
    pid = stack.addresses.pids.openbao
    os.kill(pid, SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, SIGCONT)


async def _until_some_are_in_hand(url: str) -> None:
    async def are_in_hand() -> bool:
        return await metric(url, "snapshot_ingest_in_flight_messages") > 0

    await until_true(are_in_hand)


async def test_it_starts_while_every_server_is_down_and_heals_when_they_come(
    stack: EmbeddedStack, world: RealWorld, tmp_path: Path
) -> None:
    await _publish(world)
    for server in _SERVERS:
        await stack.kill(server)
    try:
        async with running(*_run(world), folder=tmp_path) as worker:
            url = await worker.worker_url()
            assert (await fetched(f"{url}/healthz")).text == "alive\n"
            answer = await fetched(f"{url}/readyz")
            assert answer.status_code == 503
            assert set(answer.json()["faults"]) == set(_DEPENDENCIES.values())
            for server in _SERVERS:
                await stack.start(server)
            await _until_ready(url)
            await _until_all_are_stored(world)
            worker.signal(SIGTERM)
            assert await worker.ended() == 0
            assert "Traceback" not in worker.stderr
    finally:
        for server in _SERVERS:
            if not is_running(getattr(stack.addresses.pids, server)):
                await stack.start(server)


@pytest.mark.parametrize("server", _SERVERS)
async def test_readiness_names_the_server_that_is_down_and_comes_back_with_it(
    stack: EmbeddedStack, world: RealWorld, tmp_path: Path, server: ServerName
) -> None:
    async with running(*_run(world), folder=tmp_path) as worker:
        url = await worker.worker_url()
        await _until_ready(url)
        await stack.kill(server)
        try:

            async def is_named() -> bool:
                faults = (await fetched(f"{url}/readyz")).json()["faults"]
                return list(faults) == [_DEPENDENCIES[server]]

            await until_true(is_named)
            assert (await fetched(f"{url}/healthz")).status_code == 200
        finally:
            await stack.start(server)
        await _until_ready(url)


@pytest.mark.parametrize("signal", [SIGTERM, SIGINT])
async def test_a_stop_settles_everything_that_is_in_hand(
    stack: EmbeddedStack, world: RealWorld, tmp_path: Path, signal: Signals
) -> None:
    async with running(*_run(world), folder=tmp_path) as worker:
        url = await worker.worker_url()
        await _until_ready(url)
        with _frozen_openbao(stack):
            await _publish(world)
            await _until_some_are_in_hand(url)
            worker.signal(signal)
        assert await worker.ended() == 0
        assert "stopped" in worker.stderr
    info = await world.place.info()
    assert info.num_ack_pending == 0
    stored = await world.texts()
    assert stored == [f"version {number}" for number in range(len(stored))]
    assert stored
    assert len(stored) + (info.num_pending or 0) == _SNAPSHOTS


async def test_what_outlasts_the_grace_is_given_back_and_others_take_it_at_once(
    stack: EmbeddedStack, world: RealWorld, tmp_path: Path
) -> None:
    async with running(*_run(world, "worker.grace=1s"), folder=tmp_path) as worker:
        url = await worker.worker_url()
        await _until_ready(url)
        with _frozen_openbao(stack):
            await _publish(world)
            await _until_some_are_in_hand(url)
            worker.signal(SIGTERM)
            assert await worker.ended(seconds=_AT_ONCE_SECONDS) == 0
    async with running(*_run(world), folder=tmp_path) as other:
        await other.worker_url()
        await _until_all_are_stored(world, seconds=_AT_ONCE_SECONDS)
        other.signal(SIGKILL)


@pytest.mark.parametrize("signal", [SIGTERM, SIGINT])
async def test_a_second_signal_ends_it_at_once_and_what_was_in_hand_is_still_on_the_stream(
    stack: EmbeddedStack, world: RealWorld, tmp_path: Path, signal: Signals
) -> None:
    async with running(*_run(world, "worker.grace=10m"), folder=tmp_path) as worker:
        url = await worker.worker_url()
        await _until_ready(url)
        with _frozen_openbao(stack):
            await _publish(world)
            await _until_some_are_in_hand(url)
            worker.signal(signal)
            await until(lambda: "stopping" in worker.stderr, every_seconds=0.02)
            worker.signal(signal)
            assert await worker.ended(seconds=_HURRIED_SECONDS) == INTERRUPTED
            assert await world.unsettled() == _SNAPSHOTS
    assert "Traceback" not in worker.stderr
    assert await world.texts() == []


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("dedup=canonical",), "dedup"),
        (("nats.url=nats://nats.example",), "nats.url leads beyond loopback in clear"),
        (("nats.colour=blue",), "nats.colour"),
    ],
)
async def test_a_setting_that_cannot_be_meant_is_one_line_and_exit_1(
    world: RealWorld, tmp_path: Path, overrides: tuple[str, ...], words: str
) -> None:
    code, worker = await finished(*_run(world, *overrides), folder=tmp_path)
    assert code == 1
    assert worker.stderr.count("\n") == 1
    assert words in worker.stderr
