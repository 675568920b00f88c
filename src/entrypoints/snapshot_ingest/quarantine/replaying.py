"""Ingestion whose source is the quarantine: wired like any other, run by a person, to its end."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from attrs import frozen
from prometheus_client import CollectorRegistry

from snapshot_domain.ingest import IngestSnapshot
from snapshot_domain.ports import Metrics, QuarantineId
from snapshot_domain.replay import DependencyFailed, ReplaySource, policy_of_replay, replay
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.composition import Resources, compose
from snapshot_ingest.connections import openbao
from snapshot_ingest.quarantine.decryptor import QuarantineDecryptor
from snapshot_ingest.settings import Settings, WorkerSettings
from snapshot_openbao import TransitDecryptor
from snapshot_postgres import Pool, PostgresQuarantineReview


@frozen(eq=False)
class Replay:
    """The use case over chosen messages of the quarantine."""

    source: ReplaySource
    use_case: IngestSnapshot
    bounds: WorkerSettings

    async def run(self) -> DependencyFailed | None:
        """See `snapshot_domain.replay.replay`; a batch has the bounds of a worker's."""
        return await replay(self.use_case, self.bounds.batch_messages, self.bounds.batch_bytes)


@asynccontextmanager
async def open_replay(
    settings: Settings, pool: Pool, chosen: Sequence[QuarantineId], watchers: Sequence[Metrics]
) -> AsyncIterator[Replay]:
    """A replay with its connections to OpenBao; `pool` is the ingest role's and stays open.

    It encrypts with `[openbao]`, and opens what is sealed with that and `[reader.openbao]`.
    Raises `SettingsError` where one of them has no credentials.
    """
    clock, mount = SystemClock(), settings.openbao.mount
    async with (
        openbao("openbao", settings.openbao, settings, clock) as ingest,
        openbao("reader.openbao", settings.reader.openbao, settings, clock) as reader,
    ):
        decryptor = QuarantineDecryptor(
            ingest=TransitDecryptor(ingest, mount=mount),
            reader=TransitDecryptor(reader, mount=mount),
        )
        source = ReplaySource(PostgresQuarantineReview(pool), decryptor, chosen)
        resources = Resources(
            source=source, pool=pool, openbao=ingest, registry=CollectorRegistry()
        )
        container = compose(settings, resources, watchers=watchers, policy=policy_of_replay)
        use_case = container.resolve(IngestSnapshot)
        yield Replay(source, use_case, settings.worker)
