"""`snapshot-ingest publish`: files on the stream, as the poller would send them."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from attrs import frozen
from rich.console import Console

from snapshot_domain.model import TenantId
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import admin_connection, admin_nats_connection, openbao
from snapshot_ingest.embedded.registration import register
from snapshot_ingest.embedded.workload import FilesWorkload
from snapshot_ingest.publish_paths import publication_of
from snapshot_ingest.settings import Settings
from snapshot_nats import SnapshotPublisher, connect

_WINDOW_MESSAGES = 64


@frozen
class PublishOptions:
    """What the command line asks for. `rate` is in messages a second, None for no bound.

    With `dry_run`, nothing is published, and no server is asked.
    """

    paths: Sequence[Path]
    tenant_id: TenantId
    start: datetime | None
    repeat: int
    rate: float | None
    register: bool
    dry_run: bool = False


async def publish(settings: Settings, options: PublishOptions) -> None:
    """Publishes all as `[admin.nats]`, and says how many; or only says which devices there are.

    Raises `PublishError` and the source's errors.
    """
    workload = FilesWorkload(
        publication_of(
            options.paths,
            tenant_id=options.tenant_id,
            now=datetime.now(UTC),
            start=options.start,
            repeat=options.repeat,
        )
    )
    if options.dry_run:
        _list_devices(workload)
        return
    if options.register:
        await _register(settings, workload)
    client = await connect(admin_nats_connection(settings))
    try:
        published = await _publish_all(SnapshotPublisher(client), workload, options.rate)
    finally:
        await client.close()
    devices = len(workload.publication.devices)
    Console().print(f"published {published} snapshots of {devices} devices", highlight=False)


def _list_devices(workload: FilesWorkload) -> None:
    """A line for each device: its id, which `show` takes, and its file or folder."""
    for device in workload.publication.devices:
        path = str(device.path)
        print(device.device_id, path if path.isprintable() else repr(path))  # noqa: T201 - the command's output


async def _register(settings: Settings, workload: FilesWorkload) -> None:
    """For demonstrations: in an installation the backend registers its devices."""
    admin = settings.admin
    async with (
        admin_connection(admin.postgres) as connection,
        openbao("admin.openbao", admin.openbao, settings, SystemClock()) as bao,
    ):
        await register(connection, bao, workload.tenants(), workload.devices())


async def _publish_all(
    publisher: SnapshotPublisher, workload: FilesWorkload, rate: float | None
) -> int:
    window = _WINDOW_MESSAGES if rate is None else max(1, min(_WINDOW_MESSAGES, int(rate / 10)))
    messages = workload.messages()
    published = 0
    started = time.monotonic()
    while batch := list(islice(messages, window)):
        published += await publisher.publish_all(batch)
        if rate is not None:
            ahead_seconds = published / rate - (time.monotonic() - started)
            await asyncio.sleep(max(0.0, ahead_seconds))
    return published
