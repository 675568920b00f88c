"""The composition root: the one place where ports meet their adapters, and that knows punq."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import TypeVar, cast

import punq
from attrs import frozen
from prometheus_client import CollectorRegistry

from snapshot_domain.backoff import Backoff
from snapshot_domain.digests import Digests, KeyedDigests, PlainDigests
from snapshot_domain.extension import Extension
from snapshot_domain.grace import Grace
from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.intake import Intake
from snapshot_domain.listening.listening import Listening
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
    NamedListener,
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
from snapshot_domain.tasks import to_its_end
from snapshot_domain.waiting import WaitingSweep
from snapshot_domain.worker import Worker, WorkerLimits
from snapshot_ingest.backlog_watch import BacklogWatch
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import event_publisher, message_source, openbao, postgres_pool
from snapshot_ingest.floor_watch import FloorWatch
from snapshot_ingest.metrics_fan_out import MetricsFanOut
from snapshot_ingest.ports_in_code import (
    NONE_REPLACED,
    OF_OPENBAO,
    OF_POSTGRES,
    Ports,
    check_names,
    check_ports,
    is_floor_source,
    is_needed,
)
from snapshot_ingest.readiness import Readiness
from snapshot_ingest.settings import CipherFormat, DigestKind, Settings, SettingsError
from snapshot_json import JsonSnapshotDecoder
from snapshot_nats import EventPublisher
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

_EVENTS = "snapshot-ingest events"
"""The name under which it is kept how far events were published."""


@frozen(eq=False)
class Resources:
    """What must be opened before, and closed after, whatever uses it.

    `pool` and `openbao` are None where adapters of the host answer all ports over them.
    """

    source: MessageSource
    pool: "Pool | None"
    openbao: OpenBao | None
    registry: CollectorRegistry
    events: EventPublisher | None = None


class Container:
    """A punq container whose answers have the type that was asked for.

    What is registered for one of `ports` is not taken: the adapter handed in there answers it.
    """

    def __init__(self, ports: Ports = NONE_REPLACED) -> None:
        self._container = punq.Container()
        self._services: list[type] = []
        self._ports = ports
        for port, adapter in ports.items():
            self._take(port, adapter)

    @property
    def services(self) -> Sequence[type]:
        """Everything that can be resolved, in the order of registration."""
        return tuple(self._services)

    def register(self, service: type[T], instance: T) -> None:
        """Answers `service` with the instance."""
        if service not in self._ports:
            self._take(service, instance)

    def answers(self, service: type) -> bool:
        """Whether `service` can be resolved."""
        return service in self._services

    def build(self, service: type[T]) -> None:
        """Answers `service` with one object of that class, its arguments resolved by type."""
        self._services.append(service)
        self._container.register(service, scope=punq.Scope.singleton)

    def resolve(self, service: type[T]) -> T:
        """What `service` is answered with."""
        resolved: T = self._container.resolve(service)
        return resolved

    def _take(self, service: type, instance: object) -> None:
        self._services.append(service)
        self._container.register(service, instance=instance)


@asynccontextmanager
async def open_resources(
    settings: Settings,
    registry: CollectorRegistry,
    *,
    pool: "Pool | None" = None,
    ports: Ports = NONE_REPLACED,
) -> AsyncIterator[Resources]:
    """Opens them without connecting: the servers may be down, and are reached on first use.

    A `pool` that is handed in stays open. What only replaced ports would need is not opened.
    Raises `PortError`, and `SettingsError` where a setting is missing.
    """
    check_ports(ports)
    async with AsyncExitStack() as stack:
        if pool is None and is_needed(OF_POSTGRES, ports):
            pool = await stack.enter_async_context(postgres_pool("postgres", settings.postgres))
        bao = None
        if is_needed(OF_OPENBAO, ports):
            clock = cast("Clock", ports.get(Clock, SystemClock()))
            bao = openbao("openbao", settings.openbao, settings, clock)
            stack.push_async_callback(_closed, bao.aclose)
        source = ports.get(MessageSource)
        if source is None:
            source = message_source(settings.nats, _floors(pool, ports))
            stack.push_async_callback(_closed, source.close)
        events = event_publisher(settings)
        if events is not None:
            stack.push_async_callback(_closed, events.close)
        yield Resources(
            source=cast("MessageSource", source),
            pool=pool,
            openbao=bao,
            registry=registry,
            events=events,
        )


async def _closed(close: Callable[[], Awaitable[None]]) -> None:
    """Each takes a few seconds at most, and would leave half of it open if it were cut short."""
    await to_its_end(close())


def _floors(pool: "Pool | None", ports: Ports) -> AckFloors | None:
    if AckFloors in ports:
        return cast("AckFloors", ports[AckFloors])
    return None if pool is None else PostgresAckFloors(pool)


# Every protocol is a key here, which mypy calls an abstract class: hence each `type-abstract`.
def compose(
    settings: Settings,
    resources: Resources,
    *,
    watchers: Sequence[Metrics] = (),
    listeners: Sequence[SnapshotListener] = (),
    policy: Callable[[IngestPolicy], IngestPolicy] = lambda given: given,
    ports: Ports = NONE_REPLACED,
) -> Container:
    """Wires everything; `watchers` are told of each event beside Prometheus.

    `policy` may change that of the settings, and `ports` answer ports in place of our adapters.

    Raises `MetricNameTaken` if the registry has one of the names, and `PortError` if two listeners
    have one.
    """
    if resources.events is not None:
        listeners = [*listeners, NamedListener(_EVENTS, resources.events)]
    check_names(listeners)
    container = Container(ports)
    container.register(Clock, SystemClock())  # type: ignore[type-abstract]
    clock = container.resolve(Clock)  # type: ignore[type-abstract]
    container.register(MessageSource, resources.source)  # type: ignore[type-abstract]
    if is_floor_source(resources.source):
        container.register(FloorSource, resources.source)  # type: ignore[type-abstract]
    container.register(SnapshotDecoder, JsonSnapshotDecoder())  # type: ignore[type-abstract]
    if resources.pool is not None:
        _register_postgres(container, resources.pool)
    if resources.openbao is not None:
        _register_openbao(container, settings, resources.openbao, clock)
    if Digests not in ports:
        digests = _digests(settings, resources, clock)
        container.register(Digests, digests)  # type: ignore[type-abstract]
    prometheus = PrometheusMetrics(resources.registry)
    container.register(PrometheusMetrics, prometheus)
    metrics = MetricsFanOut([prometheus, *watchers])
    container.register(Metrics, metrics)  # type: ignore[type-abstract]
    container.register(Sequence[SnapshotListener], listeners)  # type: ignore[type-abstract]
    container.register(IngestPolicy, policy(settings.policy))
    container.register(Backoff, Backoff(Random()))
    container.register(WorkerLimits, settings.worker.limits)
    for service in (Rejection, Extension, Listening, IngestSnapshot, Intake, Worker, Readiness):
        container.build(service)
    for watch in (BacklogWatch, Grace, WaitingSweep):
        container.build(watch)
    if container.answers(FloorSource):
        container.build(FloorWatch)
    return container


def _register_postgres(container: Container, pool: Pool) -> None:
    container.register(AckFloors, PostgresAckFloors(pool))  # type: ignore[type-abstract]
    container.register(DeviceDirectory, PostgresDeviceDirectory(pool))  # type: ignore[type-abstract]
    container.register(HashRepository, PostgresHashRepository(pool))  # type: ignore[type-abstract]
    container.register(Quarantine, PostgresQuarantine(pool))  # type: ignore[type-abstract]
    container.register(QuarantineReview, PostgresQuarantineReview(pool))  # type: ignore[type-abstract]
    container.register(WaitingMessages, PostgresWaitingMessages(pool))  # type: ignore[type-abstract]
    container.register(StoredSnapshots, PostgresStoredSnapshots(pool))  # type: ignore[type-abstract]
    container.register(KeptPositions, PostgresKeptPositions(pool))  # type: ignore[type-abstract]


def _register_openbao(
    container: Container, settings: Settings, openbao: OpenBao, clock: Clock
) -> None:
    transit = TransitCipher(openbao, clock, mount=settings.openbao.mount)
    cipher = configuration_cipher(settings, settings.cipher.format, openbao, clock)
    container.register(Cipher, cipher)  # type: ignore[type-abstract]
    quarantine_cipher = SealedBodyCipher(transit, openbao.threads)
    container.register(QuarantineCipher, quarantine_cipher)  # type: ignore[type-abstract]
    # This login may open what waits and the digest key, and nothing else: OpenBao sees to that.
    decryptor = TransitDecryptor(openbao, mount=settings.openbao.mount)
    container.register(Decryptor, decryptor)  # type: ignore[type-abstract]
    container.register(Resealer, SealedBodyResealer(decryptor, transit))  # type: ignore[type-abstract]


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


def _digests(settings: Settings, resources: Resources, clock: Clock) -> Digests:
    if resources.pool is not None and resources.openbao is not None:
        return configured_digests(settings, resources.pool, resources.openbao, clock)
    if settings.digest is DigestKind.KEYED:
        raise SettingsError(
            "digest = keyed, and the host's adapters answer all ports of PostgreSQL or OpenBao",
            expected="both of them, which keep the digests' key",
            next_step='hand in `Digests` too, or set digest = "plain"',
        )
    return PlainDigests(None if resources.pool is None else PostgresDigestKeys(resources.pool))


def keyed_digests(settings: Settings, pool: Pool, openbao: OpenBao, clock: Clock) -> KeyedDigests:
    """Keyed digests, as the ingest role: the only one that opens their key."""
    mount = settings.openbao.mount
    return KeyedDigests(
        PostgresDigestKeys(pool),
        TransitCipher(openbao, clock, mount=mount),
        TransitDecryptor(openbao, mount=mount),
    )
