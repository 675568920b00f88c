"""The connections of an operator's command over stored texts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from snapshot_domain.model import TenantId
from snapshot_domain.ports import DigestRecords, StoredTexts
from snapshot_ingest.connections import postgres_pool
from snapshot_ingest.operator.arguments import Work
from snapshot_ingest.settings import Settings
from snapshot_postgres import Pool, PostgresDigestRecords, PostgresStoredTexts

# Some looks read every text of a tenant: with a million of them that takes a minute or so.
LOOK_SECONDS = 900.0


@asynccontextmanager
async def open_stored_texts(settings: Settings) -> AsyncIterator[StoredTexts]:
    """The stored texts as `[operator.postgres]`. Raises `SettingsError`."""
    async with _opened(settings) as pool:
        texts = PostgresStoredTexts(pool)
        await texts.check()
        yield texts


@asynccontextmanager
async def open_digest_records(settings: Settings) -> AsyncIterator[DigestRecords]:
    """The digests as `[operator.postgres]`. Raises `SettingsError`."""
    async with _opened(settings) as pool:
        records = PostgresDigestRecords(pool)
        await records.check()
        yield records


def _opened(settings: Settings) -> AbstractAsyncContextManager[Pool]:
    section = settings.operator.postgres
    return postgres_pool("operator.postgres", section, command_seconds=LOOK_SECONDS)


async def tenants_of(work: Work, texts: StoredTexts) -> Sequence[TenantId]:
    """The one that was asked for, or all that there are."""
    return [work.tenant_id] if work.tenant_id is not None else await texts.tenants()
