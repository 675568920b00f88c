"""`snapshot-ingest provision`: makes the stream, the consumer and the keys that are missing."""

from collections.abc import Sequence

from rich.console import Console

from snapshot_domain.model import TenantId
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import admin_nats_connection, events_stream, openbao
from snapshot_ingest.settings import NatsSettings, Settings
from snapshot_nats import (
    ConnectionSettings,
    ConsumerNeeds,
    EventsStreamShape,
    OwnStreamShape,
    StreamShape,
    connect,
    ensure_consumer,
    ensure_events_stream,
    ensure_own_stream,
    ensure_stream,
)
from snapshot_openbao import TransitKeys


async def provision(
    settings: Settings, tenants: Sequence[TenantId], own_stream: OwnStreamShape | None = None
) -> None:
    """Makes what is missing and alters nothing, as `[admin.nats]` and `[admin.openbao]`.

    With `own_stream`, the stream to consume is one for snapshots alone.
    """
    await provision_nats(
        admin_nats_connection(settings), settings.nats, own_stream, events_stream(settings.events)
    )
    await _provision_openbao(settings, tenants)
    console = Console()
    streams = [settings.nats.stream, *([settings.events.stream] if settings.events.enabled else [])]
    console.print(
        f"stream {' and '.join(streams)}, consumer {settings.nats.consumer}, our own keys and "
        f"{len(tenants)} tenants' keys are there",
        highlight=False,
    )


async def provision_nats(
    connection: ConnectionSettings,
    settings: NatsSettings,
    own_stream: OwnStreamShape | None,
    events: EventsStreamShape | None = None,
) -> None:
    """Makes the stream, or the shared and the own one, and the consumer, where missing.

    And the stream of events, where they are on.
    """
    client = await connect(connection)
    try:
        shared = settings.stream if own_stream is None else own_stream.shared
        await ensure_stream(client, StreamShape(name=shared))
        if own_stream is not None:
            await ensure_own_stream(client, own_stream, settings.consumer)
        needs = ConsumerNeeds(filter_subject=settings.subject)
        await ensure_consumer(client, settings.stream, settings.consumer, needs)
        if events is not None:
            await ensure_events_stream(client, events)
    finally:
        await client.close()


async def _provision_openbao(settings: Settings, tenants: Sequence[TenantId]) -> None:
    clock = SystemClock()
    async with openbao("admin.openbao", settings.admin.openbao, settings, clock) as bao:
        keys = TransitKeys(bao, mount=settings.openbao.mount)
        await keys.ensure_own_keys()
        for tenant_id in tenants:
            await keys.ensure_tenant_key(tenant_id)
