"""The composition root: the one place where ports meet their adapters, and that knows punq."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import TypeVar

import punq
from attrs import frozen
from prometheus_client import CollectorRegistry

from snapshot_domain.backoff import Backoff
from snapshot_domain.digests import Digests, KeyedDigests, PlainDigests
from snapshot_domain.extension import Extension
from snapshot_domain.grace import Grace
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.intake import Intake
from snapshot_domain.listening import Listening
from snapshot_domain.policy import IngestPolicy
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
from snapshot_ingest.backlog_watch import BacklogWatch
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import message_source, openbao, postgres_pool
from snapshot_ingest.floor_watch import FloorWatch
from snapshot_ingest.metrics_fan_out import MetricsFanOut
from snapshot_ingest.readiness import Readiness
from snapshot_ingest.settings import CipherFormat, DigestKind, Settings
from snapshot_json import JsonSnapshotDecoder
from snapshot_openbao import (
    CompressedCipher,
    DataKeyLimits,
    EnvelopeCipher,
    OpenBao,
    SealedBodyCipher,
    SealedBodyResealer,
    TransitCipher,
    TransitDecryptor,
)
from snapshot_postgres import (
    Pool,
    PostgresAckFloors,
    PostgresDeviceDirectory,
    PostgresDigestKeys,
    PostgresHashRepository,
    PostgresKeptPositions,
    PostgresQuarantine,
    PostgresQuarantineReview,
    PostgresStoredSnapshots,
    PostgresWaitingMessages,
)
from snapshot_prometheus import PrometheusMetrics

T = TypeVar("T")


@frozen(eq=False)
class Resources:
    """What must be opened before, and closed after, whatever uses it."""

    source: MessageSource
    pool: Pool
    openbao: OpenBao
    registry: CollectorRegistry


class Container:
    """A punq container whose answers have the type that was asked for."""

    def __init__(self) -> None:
        self._container = punq.Container()
        self._services: list[type] = []

    @property
    def services(self) -> Sequence[type]:
        """Everything that can be resolved, in the order of registration."""
        return tuple(self._services)

    def register(self, service: type[T], instance: T) -> None:
        """Answers `service` with the instance."""
        self._services.append(service)
        self._container.register(service, instance=instance)

    def build(self, service: type[T]) -> None:
        """Answers `service` with one object of that class, its arguments resolved by type."""
        self._services.append(service)
        self._container.register(service, scope=punq.Scope.singleton)

    def resolve(self, service: type[T]) -> T:
        """What `service` is answered with."""
        resolved: T = self._container.resolve(service)
        return resolved


@asynccontextmanager
async def open_resources(
    settings: Settings, registry: CollectorRegistry
) -> AsyncIterator[Resources]:
    """Opens them without connecting: the servers may be down, and are reached on first use.

    Raises `SettingsError` where a setting is missing.
    """
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(postgres_pool("postgres", settings.postgres))
        bao = openbao("openbao", settings.openbao, settings, SystemClock())
        await stack.enter_async_context(bao)
        source = message_source(settings.nats, PostgresAckFloors(pool))
        stack.push_async_callback(source.close)
        yield Resources(source=source, pool=pool, openbao=bao, registry=registry)


# Every protocol is a key here, which mypy calls an abstract class: hence each `type-abstract`.
def compose(
    settings: Settings,
    resources: Resources,
    *,
    watchers: Sequence[Metrics] = (),
    listeners: Sequence[SnapshotListener] = (),
    policy: Callable[[IngestPolicy], IngestPolicy] = lambda given: given,
) -> Container:
    """Wires everything; `watchers` are told of each event beside Prometheus.

    `policy` may change that of the settings.

    Raises `MetricNameTaken` if the registry has one of the names.
    """
    container = Container()
    clock = SystemClock()
    container.register(Clock, clock)  # type: ignore[type-abstract]
    container.register(MessageSource, resources.source)  # type: ignore[type-abstract]
    container.register(FloorSource, resources.source)
    container.register(AckFloors, PostgresAckFloors(resources.pool))  # type: ignore[type-abstract]
    container.register(SnapshotDecoder, JsonSnapshotDecoder())  # type: ignore[type-abstract]
    container.register(DeviceDirectory, PostgresDeviceDirectory(resources.pool))  # type: ignore[type-abstract]
    container.register(HashRepository, PostgresHashRepository(resources.pool))  # type: ignore[type-abstract]
    container.register(Quarantine, PostgresQuarantine(resources.pool))  # type: ignore[type-abstract]
    review = PostgresQuarantineReview(resources.pool)
    container.register(QuarantineReview, review)  # type: ignore[type-abstract]
    container.register(WaitingMessages, PostgresWaitingMessages(resources.pool))  # type: ignore[type-abstract]
    transit = TransitCipher(resources.openbao, clock, mount=settings.openbao.mount)
    cipher = configuration_cipher(settings, settings.cipher.format, resources.openbao, clock)
    container.register(Cipher, cipher)  # type: ignore[type-abstract]
    quarantine_cipher = SealedBodyCipher(transit, resources.openbao.threads)
    container.register(QuarantineCipher, quarantine_cipher)  # type: ignore[type-abstract]
    # This login may open what waits and the digest key, and nothing else: OpenBao sees to that.
    decryptor = TransitDecryptor(resources.openbao, mount=settings.openbao.mount)
    container.register(Decryptor, decryptor)  # type: ignore[type-abstract]
    digests = configured_digests(settings, resources.pool, resources.openbao, clock)
    container.register(Digests, digests)  # type: ignore[type-abstract]
    container.register(Resealer, SealedBodyResealer(decryptor, transit))  # type: ignore[type-abstract]
    metrics = MetricsFanOut([PrometheusMetrics(resources.registry), *watchers])
    container.register(Metrics, metrics)  # type: ignore[type-abstract]
    container.register(Sequence[SnapshotListener], listeners)  # type: ignore[type-abstract]
    container.register(StoredSnapshots, PostgresStoredSnapshots(resources.pool))  # type: ignore[type-abstract]
    container.register(KeptPositions, PostgresKeptPositions(resources.pool))  # type: ignore[type-abstract]
    container.register(Extension, Extension(resources.source, clock))
    container.register(IngestPolicy, policy(settings.policy))
    container.register(Backoff, Backoff(Random()))
    container.register(WorkerLimits, settings.worker.limits)
    for service in (Rejection, Extension, Listening, IngestSnapshot, Intake, Worker, Readiness):
        container.build(service)
    for watch in (BacklogWatch, FloorWatch, Grace, WaitingSweep):
        container.build(watch)
    return container


def configuration_cipher(
    settings: Settings, chosen: CipherFormat, openbao: OpenBao, clock: Clock
) -> Cipher:
    """The cipher that makes this format of configurations."""
    transit = TransitCipher(openbao, clock, mount=settings.openbao.mount)
    match chosen:
        case CipherFormat.TRANSIT:
            return transit
        case CipherFormat.COMPRESSED:
            return CompressedCipher(transit, openbao.threads)
        case CipherFormat.ENVELOPE:
            limits = DataKeyLimits(settings.cipher.data_key_lifetime, settings.cipher.data_key_uses)
            return EnvelopeCipher(transit, openbao.threads, clock, limits)


def configured_digests(settings: Settings, pool: Pool, openbao: OpenBao, clock: Clock) -> Digests:
    """Plain ones, or keyed ones with the key that is kept in this database."""
    match settings.digest:
        case DigestKind.PLAIN:
            return PlainDigests(PostgresDigestKeys(pool))
        case DigestKind.KEYED:
            return keyed_digests(settings, pool, openbao, clock)


def keyed_digests(settings: Settings, pool: Pool, openbao: OpenBao, clock: Clock) -> KeyedDigests:
    """Keyed digests, as the ingest role: the only one that opens their key."""
    mount = settings.openbao.mount
    return KeyedDigests(
        PostgresDigestKeys(pool),
        TransitCipher(openbao, clock, mount=mount),
        TransitDecryptor(openbao, mount=mount),
    )
