"""In a host's process: it never fails the host, tells what is wrong, heals, and touches nothing."""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from typed_settings import Secret

import snapshot_ingest
from snapshot_domain import tasks, worker
from snapshot_domain.delivery import Delivery
from snapshot_domain.ports import (
    Cipher,
    KeptPositions,
    MessageSource,
    NamedListener,
    SnapshotNotice,
    StoredSnapshots,
)
from snapshot_ingest import HostedIngestion, Settings
from snapshot_ingest.settings import NatsSettings, OpenBaoSettings, PostgresSettings
from snapshot_memory import ManualClock, MemoryKeptPositions, MemoryMessageSource
from support.listening import OpenTransactions, notice
from support.waiting import until, until_true

_NOWHERE = "127.0.0.1:1"
SETTINGS = Settings(
    nats=NatsSettings(url=f"nats://{_NOWHERE}"),
    postgres=PostgresSettings(dsn=Secret(f"postgresql://role@{_NOWHERE}/db")),
    openbao=OpenBaoSettings(url=f"http://{_NOWHERE}", token=Secret("token")),
)
"""Enough to begin with. Nothing listens there."""

_AS_A_FILE = f"""
[nats]
url = "nats://{_NOWHERE}"
[postgres]
dsn = "postgresql://role@{_NOWHERE}/db"
[openbao]
url = "http://{_NOWHERE}"
token_file = "token"
"""
_AT_ONCE = timedelta(milliseconds=5)


@pytest.fixture(autouse=True)
def nobody_waits_long_for_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_A_FETCH_ENDS_WITHIN_SECONDS", 0.05)


async def test_without_its_servers_the_host_starts_and_is_told_of_each() -> None:
    async with snapshot_ingest.open(SETTINGS) as ingestion:
        await _until_opened(ingestion)
        ready = await ingestion.ready()
    assert not ready.is_ready
    assert set(ready.faults) == {"source", "repository", "cipher"}


async def test_a_host_without_a_pool_may_say_so() -> None:
    ports: dict[type, object] = {MessageSource: MemoryMessageSource(ManualClock())}
    async with snapshot_ingest.open(SETTINGS, pool=None, ports=ports) as ingestion:
        await _until_opened(ingestion)
        assert "ConnectionRefusedError" in (await ingestion.ready()).faults["repository"]


async def test_before_and_after_its_block_it_says_that_it_does_not_run() -> None:
    ingestion = snapshot_ingest.lifespan(SETTINGS)
    for _ in range(2):
        assert (await ingestion.ready()).faults == {"ingestion": "it is not running"}
        async with ingestion.running():
            await _until_opened(ingestion)
    assert (await ingestion.ready()).faults == {"ingestion": "it is not running"}


async def test_settings_that_are_not_there_yet_are_read_once_they_are(tmp_path: Path) -> None:
    file = tmp_path / "snapshot-ingest.toml"
    ingestion = HostedIngestion(file, tries_again_after=_AT_ONCE)
    async with ingestion.running():

        async def is_told() -> bool:
            return "snapshot-ingest.toml" in (await ingestion.ready()).faults.get("ingestion", "")

        await until_true(is_told)
        (tmp_path / "token").write_text("secret-token")
        file.write_text(_AS_A_FILE)
        await _until_opened(ingestion)


async def test_what_is_wrong_is_logged_once_however_often_it_is_tried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ports = _CountingPorts({Cipher: object()})
    ingestion = HostedIngestion(SETTINGS, ports=ports, tries_again_after=_AT_ONCE)
    async with ingestion.running():
        await until(lambda: ports.looked_at > 3, every_seconds=0.001)
        assert "does not answer Cipher" in (await ingestion.ready()).faults["ingestion"]
    [said] = [each.message for each in caplog.records]
    assert said.startswith("ingestion does not run, and is tried again: ")


@pytest.mark.parametrize("fault", [ZeroDivisionError, asyncio.CancelledError])
async def test_something_unforeseen_is_told_by_its_class_alone_and_tried_again(
    caplog: pytest.LogCaptureFixture, fault: type[BaseException]
) -> None:
    class Broken:
        tried = 0

        @property
        def nats(self) -> object:
            self.tried += 1
            raise fault("its text may hold anything")

    broken = Broken()
    ingestion = HostedIngestion(broken, tries_again_after=_AT_ONCE)  # type: ignore[arg-type]
    async with ingestion.running():
        await until(lambda: broken.tried > 1)
    assert f"unforeseen {fault.__name__}" in caplog.text
    assert "may hold anything" not in caplog.text


async def test_two_listeners_of_one_name_are_told_of_by_that_name() -> None:
    both = [NamedListener("history", _Reluctant()) for _ in range(2)]
    ingestion = HostedIngestion(SETTINGS, listeners=both)
    async with ingestion.running():

        async def is_told() -> bool:
            faults = (await ingestion.ready()).faults
            return "two listeners have the name history" in faults["ingestion"]

        await until_true(is_told)


async def test_names_of_metrics_that_are_taken_are_one_line_and_cost_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = CollectorRegistry()
    theirs = Counter("config_snapshot_ingested", "The former subscriber's.", registry=registry)
    theirs.inc(7)
    async with snapshot_ingest.open(SETTINGS, registry=registry) as ingestion:
        await _until_opened(ingestion)
        assert b"snapshot_ingest_fetch_failures_total" in generate_latest(ingestion.registry)
    assert b"config_snapshot_ingested_total 7.0" in generate_latest(registry)
    assert b"snapshot_ingest_" not in generate_latest(registry)
    lines = [each for each in caplog.records if "config_snapshot_ingested" in each.message]
    assert [each.message.isprintable() for each in lines] == [True]


async def test_a_registry_of_the_host_has_our_metrics_while_it_runs_and_as_often_as_it_does() -> (
    None
):
    registry = CollectorRegistry()
    for _ in range(2):
        async with snapshot_ingest.open(SETTINGS, registry=registry) as ingestion:
            await _until_opened(ingestion)
            assert b"config_snapshot_ingested_total" in generate_latest(registry)
        assert generate_latest(registry) == b""


async def test_a_host_that_fails_fails_as_it_would_without_us() -> None:
    before = asyncio.all_tasks()
    with pytest.raises(ZeroDivisionError):
        async with snapshot_ingest.open(SETTINGS):
            raise ZeroDivisionError
    assert asyncio.all_tasks() <= before


async def test_a_host_that_is_cancelled_is_let_go() -> None:
    entered = asyncio.Event()

    async def host() -> None:
        async with snapshot_ingest.open(SETTINGS):
            entered.set()
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    hosting = asyncio.create_task(host())
    await entered.wait()
    hosting.cancel()
    await asyncio.wait([hosting], timeout=10)
    assert hosting.cancelled()
    assert asyncio.all_tasks() <= before


async def test_one_object_runs_once_at_a_time() -> None:
    ingestion = snapshot_ingest.lifespan(SETTINGS)
    async with ingestion.running():
        with pytest.raises(RuntimeError, match="runs already"):
            async with ingestion.running():
                raise AssertionError("it must not run twice")


async def test_a_host_that_is_cancelled_at_its_end_leaves_no_listener_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_ASK_AGAIN_SECONDS", 0.01)
    store, clock, listener = OpenTransactions(), ManualClock(), _Reluctant()
    store.commit(notice(1))
    kept, ending = MemoryKeptPositions(clock), asyncio.Event()
    ports: dict[type, object] = {
        MessageSource: MemoryMessageSource(clock),
        StoredSnapshots: store,
        KeptPositions: kept,
    }

    async def host() -> None:
        async with snapshot_ingest.open(
            SETTINGS, ports=ports, listeners=[NamedListener("history", listener)]
        ):
            await listener.called.wait()
            ending.set()

    before = asyncio.all_tasks()
    hosting = asyncio.create_task(host())
    await ending.wait()
    hosting.cancel()
    await asyncio.wait([hosting], timeout=10)
    left = asyncio.all_tasks() - before
    listener.gives_in.set()
    assert hosting.cancelled()
    assert not left
    assert kept.kept["history"].holder is None


async def test_a_host_that_is_cancelled_twice_at_its_end_may_ingest_again_once_that_has_come() -> (
    None
):
    source = _Deaf()
    ingestion = snapshot_ingest.lifespan(SETTINGS, ports={MessageSource: source})

    async def host() -> None:
        async with ingestion.running():
            await source.asked.wait()

    hosting = asyncio.create_task(host())
    await source.asked.wait()
    while not hosting.done():
        hosting.cancel()
        await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="runs already"):
        async with ingestion.running():
            raise AssertionError("the first one has not ended")
    source.answers.set()
    await until(lambda: "snapshot-ingest" not in [each.get_name() for each in asyncio.all_tasks()])
    async with ingestion.running():
        await _until_opened(ingestion)


async def test_it_touches_nothing_that_a_process_has_once_only() -> None:
    before = _of_the_process()
    async with snapshot_ingest.open(SETTINGS) as ingestion:
        await _until_opened(ingestion)
        assert _of_the_process() == before
    assert _of_the_process() == before


def test_there_is_no_other_public_name() -> None:
    for name in snapshot_ingest.__all__:
        assert getattr(snapshot_ingest, name)
    with pytest.raises(AttributeError, match="no attribute 'closed'"):
        snapshot_ingest.closed  # noqa: B018


class _Reluctant:
    """A listener that ends at its fifth cancellation."""

    def __init__(self) -> None:
        self.called, self.gives_in = asyncio.Event(), asyncio.Event()

    async def stored(self, notices: Sequence[SnapshotNotice]) -> None:
        assert notices
        self.called.set()
        for _ in range(5):
            with suppress(asyncio.CancelledError):
                await self.gives_in.wait()


class _Deaf(MemoryMessageSource):
    """A source that hears no cancellation while it waits."""

    def __init__(self) -> None:
        super().__init__(ManualClock())
        self.asked, self.answers = asyncio.Event(), asyncio.Event()

    async def fetch(self, max_messages: int, max_bytes: int) -> Sequence[Delivery]:
        self.asked.set()
        while not self.answers.is_set():
            with suppress(asyncio.CancelledError):
                await self.answers.wait()
        return await super().fetch(max_messages, max_bytes)


class _CountingPorts(Mapping[type, object]):
    """Ports that count how often they are checked."""

    def __init__(self, ports: Mapping[type, object]) -> None:
        self._ports = ports
        self.looked_at = 0

    def __getitem__(self, port: type) -> object:
        return self._ports[port]

    def __iter__(self) -> Iterator[type]:
        self.looked_at += 1
        return iter(self._ports)

    def __len__(self) -> int:
        return len(self._ports)


async def _until_opened(ingestion: HostedIngestion) -> None:
    """Its metrics are there; unlike `ready` this asks no server."""
    await until(lambda: b"snapshot_ingest_" in generate_latest(ingestion.registry))


def _of_the_process() -> dict[str, object]:
    root = logging.getLogger()
    return {
        "signals": [signal.getsignal(each) for each in signal.valid_signals()],
        "logging": (
            root.level,
            list(root.handlers),
            logging.raiseExceptions,
            logging.root.disabled,
        ),
        "our loggers": [
            (name, each.level, list(each.handlers), each.propagate)
            for name, each in logging.root.manager.loggerDict.items()
            if name.startswith("snapshot") and isinstance(each, logging.Logger)
        ],
        "default registry": generate_latest(REGISTRY).count(b"snapshot"),
        "event-loop policy": asyncio.get_event_loop_policy(),
        "loop": asyncio.get_running_loop().get_exception_handler(),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
        "folder": Path.cwd(),
    }
