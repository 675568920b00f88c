"""The composition root: every registration resolves, to the adapter that is meant."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from attrs import evolve
from prometheus_client import CollectorRegistry, Counter, generate_latest
from typed_settings import Secret

from snapshot_domain.backoff import Backoff
from snapshot_domain.digests import Digests, PlainDigests
from snapshot_domain.events import SettlementFailed
from snapshot_domain.extension import Extension
from snapshot_domain.grace import Grace
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.intake import Intake
from snapshot_domain.listening.listening import Listening
from snapshot_domain.policy import HashPolicy, IngestPolicy
from snapshot_domain.ports import (
    AckFloors,
    Cipher,
    Clock,
    Decryptor,
    DeviceDirectory,
    FloorSource,
    HashRepository,
    KeptPositions,
    MessageSource,
    Metrics,
    Quarantine,
    QuarantineCipher,
    QuarantineReview,
    Resealer,
    SnapshotDecoder,
    SnapshotListener,
    StoredSnapshots,
    WaitingMessages,
)
from snapshot_domain.rejection import Rejection
from snapshot_domain.waiting import WaitingSweep
from snapshot_domain.worker import Worker, WorkerLimits
from snapshot_ingest import composition
from snapshot_ingest.backlog_watch import BacklogWatch
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.composition import Container, Resources, compose, open_resources
from snapshot_ingest.floor_watch import FloorWatch
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.metrics_fan_out import MetricsFanOut
from snapshot_ingest.ports_in_code import OF_OPENBAO
from snapshot_ingest.readiness import Readiness
from snapshot_ingest.settings import (
    DigestKind,
    OpenBaoSettings,
    PostgresSettings,
    Settings,
    WorkerSettings,
)
from snapshot_ingest.settings.errors import SettingsError
from snapshot_json import JsonSnapshotDecoder
from snapshot_memory import (
    ManualClock,
    MemoryCipher,
    MemoryKeyring,
    MemoryMessageSource,
    MemoryMetrics,
    MemorySnapshotListener,
)
from snapshot_nats import JetStreamSource
from snapshot_openbao import (
    SealedBodyCipher,
    SealedBodyResealer,
    TransitCipher,
    TransitDecryptor,
)
from snapshot_postgres import (
    PostgresAckFloors,
    PostgresDeviceDirectory,
    PostgresHashRepository,
    PostgresKeptPositions,
    PostgresQuarantine,
    PostgresQuarantineReview,
    PostgresStoredSnapshots,
    PostgresWaitingMessages,
)
from snapshot_prometheus import MetricNameTaken, PrometheusMetrics
from support.faults import Gate

EXPECTED: dict[object, type] = {
    AckFloors: PostgresAckFloors,
    Backoff: Backoff,
    BacklogWatch: BacklogWatch,
    Cipher: TransitCipher,
    Clock: SystemClock,
    Decryptor: TransitDecryptor,
    DeviceDirectory: PostgresDeviceDirectory,
    Digests: PlainDigests,
    Extension: Extension,
    FloorSource: JetStreamSource,
    FloorWatch: FloorWatch,
    Grace: Grace,
    HashRepository: PostgresHashRepository,
    IngestPolicy: IngestPolicy,
    IngestSnapshot: IngestSnapshot,
    Intake: Intake,
    KeptPositions: PostgresKeptPositions,
    Listening: Listening,
    MessageSource: JetStreamSource,
    Metrics: MetricsFanOut,
    Quarantine: PostgresQuarantine,
    QuarantineCipher: SealedBodyCipher,
    PrometheusMetrics: PrometheusMetrics,
    QuarantineReview: PostgresQuarantineReview,
    Readiness: Readiness,
    Rejection: Rejection,
    Resealer: SealedBodyResealer,
    Sequence[SnapshotListener]: tuple,
    StoredSnapshots: PostgresStoredSnapshots,
    SnapshotDecoder: JsonSnapshotDecoder,
    WaitingMessages: PostgresWaitingMessages,
    WaitingSweep: WaitingSweep,
    Worker: Worker,
    WorkerLimits: WorkerLimits,
}

SETTINGS = Settings(
    hash_policy=HashPolicy.ENFORCE,
    postgres=PostgresSettings(dsn=Secret("postgresql://role@127.0.0.1:1/db")),
    openbao=OpenBaoSettings(url="http://127.0.0.1:1", token=Secret("token")),
    worker=WorkerSettings(batch_messages=7),
)
"""Enough to begin with. Nothing listens there, and nothing here connects."""


@pytest.fixture
async def resources() -> AsyncIterator[Resources]:
    async with open_resources(SETTINGS, CollectorRegistry()) as opened:
        yield opened


@pytest.fixture
def container(resources: Resources) -> Container:
    return compose(SETTINGS, resources)


def test_every_registration_is_the_adapter_that_is_meant(container: Container) -> None:
    resolved: dict[object, type] = {
        service: type(container.resolve(service)) for service in container.services
    }
    assert resolved == EXPECTED


def test_whatever_is_resolved_twice_is_one_object(container: Container) -> None:
    for service in container.services:
        assert container.resolve(service) is container.resolve(service)


def test_what_shares_a_port_shares_the_object_behind_it(container: Container) -> None:
    use_case = container.resolve(IngestSnapshot)
    for port, used in {
        MessageSource: use_case.source,
        SnapshotDecoder: use_case.decoder,
        DeviceDirectory: use_case.directory,
        HashRepository: use_case.repository,
        Cipher: use_case.cipher,
        Rejection: use_case.rejection,
        Metrics: use_case.metrics,
        Clock: use_case.clock,
        Backoff: use_case.backoff,
    }.items():
        assert used is container.resolve(port)
    rejection = container.resolve(Rejection)
    assert rejection.quarantine is container.resolve(Quarantine)  # type: ignore[type-abstract]  # a protocol is the key
    assert rejection.cipher is container.resolve(QuarantineCipher)  # type: ignore[type-abstract]  # a protocol is the key


def test_the_settings_reach_the_worker_and_the_use_case(container: Container) -> None:
    assert container.resolve(WorkerLimits).batch_messages == 7
    use_case = container.resolve(IngestSnapshot)
    assert use_case.policy.hash_policy is HashPolicy.ENFORCE
    assert use_case.rejection.policy is use_case.policy


def test_the_listeners_reach_the_use_case(resources: Resources) -> None:
    container = compose(SETTINGS, resources, listeners=[MemorySnapshotListener()])
    listening = container.resolve(Listening)
    assert container.resolve(IngestSnapshot).listening is listening
    assert listening.has_listeners
    assert (
        not compose(SETTINGS, evolve(resources, registry=CollectorRegistry()))
        .resolve(Listening)
        .has_listeners
    )


def test_every_watcher_is_told_of_each_event_beside_prometheus(resources: Resources) -> None:
    watchers = [MemoryMetrics(), MemoryMetrics()]
    container = compose(SETTINGS, resources, watchers=watchers)
    metrics = container.resolve(Metrics)  # type: ignore[type-abstract]  # a protocol is the key
    event = SettlementFailed(messages=3)
    metrics.record(event)
    assert [watcher.events for watcher in watchers] == [[event], [event]]
    assert b"snapshot_ingest_settlements_unconfirmed_total 3.0" in generate_latest(
        resources.registry
    )


async def test_a_metric_name_that_is_taken_is_one_clear_line() -> None:
    registry = CollectorRegistry()
    Counter("config_snapshot_ingested", "somebody else's", registry=registry)
    with pytest.raises(MetricNameTaken) as error:
        async with open_ingestion(SETTINGS, registry=registry):
            raise AssertionError("it must not open")
    assert str(error.value).isprintable()
    assert "config_snapshot_ingested" in str(error.value)


async def test_two_ingestions_live_in_one_process_on_registries_of_their_own() -> None:
    async with open_ingestion(SETTINGS) as one, open_ingestion(SETTINGS) as other:
        assert one.registry is not other.registry
        for ingestion in (one, other):
            assert b"config_snapshot_ingested_total" in generate_latest(ingestion.registry)


async def test_settings_that_are_not_enough_open_nothing() -> None:
    with pytest.raises(SettingsError, match=r"postgres\.dsn is not set"):
        async with open_ingestion(Settings()):
            raise AssertionError("it must not open")


class _SlowToClose(MemoryMessageSource):
    """Says when its closing begins and when it has ended."""

    def __init__(self) -> None:
        super().__init__(ManualClock())
        self.closing, self.is_closed = Gate(), False

    async def close(self) -> None:
        await self.closing.pass_through()
        self.is_closed = True


async def test_whoever_cancels_the_end_cuts_no_closing_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = _SlowToClose()
    monkeypatch.setattr(composition, "message_source", lambda *_: source)

    async def use() -> None:
        async with open_resources(SETTINGS, CollectorRegistry()):
            pass

    using = asyncio.create_task(use())
    await source.closing.reached.wait()
    for _ in range(3):
        using.cancel()
        await asyncio.sleep(0)
    source.closing.opened.set()
    await asyncio.wait([using], timeout=10)
    assert using.cancelled()
    assert source.is_closed


async def test_digests_of_the_host_need_no_key_of_ours() -> None:
    keyed = evolve(SETTINGS, digest=DigestKind.KEYED)
    theirs = PlainDigests()
    ports: dict[type, object] = dict.fromkeys(OF_OPENBAO, MemoryCipher(MemoryKeyring()))
    async with open_resources(keyed, CollectorRegistry()) as resources:
        without_openbao = evolve(resources, openbao=None)
        container = compose(keyed, without_openbao, ports={**ports, Digests: theirs})
        assert container.resolve(Digests) is theirs  # type: ignore[type-abstract]  # a protocol is the key
        with pytest.raises(SettingsError, match="hand in `Digests` too"):
            compose(keyed, evolve(without_openbao, registry=CollectorRegistry()), ports=ports)


async def test_a_worker_warns_of_each_section_that_says_insecure_and_of_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_ingestion(SETTINGS):
        assert not caplog.messages
    insecure = evolve(
        SETTINGS,
        nats=evolve(SETTINGS.nats, insecure=True),
        openbao=evolve(SETTINGS.openbao, insecure=True),
    )
    async with open_ingestion(insecure):
        said = [line.partition(" = ")[0] for line in caplog.messages]
    assert said == ["nats.insecure", "openbao.insecure"]
