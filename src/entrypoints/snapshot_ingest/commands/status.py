"""`snapshot-ingest status`: how much waits and how much is stored."""

import json
from datetime import UTC, datetime

from attrs import asdict, frozen
from rich.console import Console
from rich.table import Table

from snapshot_domain.ports import Backlog
from snapshot_ingest.connections import message_source, postgres_pool
from snapshot_ingest.settings import Settings
from snapshot_postgres import PostgresStatus, StoreStatus


@frozen
class Status:
    """`oldest` is when the oldest message that is not settled was received; UTC, or null."""

    backlog: int
    unsettled: int
    oldest: str | None
    stored: int
    devices: int
    quarantined: int


async def status(settings: Settings, *, as_json: bool) -> None:
    """Prints the figures of this moment, as a table or as one JSON object."""
    figures = _figures(await _backlog(settings), await _store(settings))
    if as_json:
        print(json.dumps(asdict(figures)))  # noqa: T201 - the command's output
        return
    table = Table(show_header=False, box=None)
    for name, value in asdict(figures).items():
        table.add_row(name, "-" if value is None else str(value))
    Console().print(table)


async def _backlog(settings: Settings) -> Backlog:
    source = message_source(settings.nats)
    try:
        return await source.backlog()
    finally:
        await source.close()


async def _store(settings: Settings) -> StoreStatus:
    async with postgres_pool("postgres", settings.postgres) as pool:
        return await PostgresStatus(pool).read()


def _figures(backlog: Backlog, store: StoreStatus) -> Status:
    return Status(
        backlog=backlog.pending,
        unsettled=backlog.unsettled,
        oldest=_shown(backlog.oldest_at),
        stored=store.snapshots,
        devices=store.devices,
        quarantined=sum(store.quarantined.values()),
    )


def _shown(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")
