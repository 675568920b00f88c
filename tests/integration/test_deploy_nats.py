"""deploy/nats: a worker and `provision` under these permissions, and what they are refused."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from attrs import evolve
from nats.js.api import ConsumerConfig
from typed_settings import Secret

from snapshot_ingest.commands.provision import provision_nats
from snapshot_ingest.commands.takeover import TakeOverOptions, carried_out
from snapshot_ingest.connections import events_stream, nats_connection
from snapshot_ingest.embedded.setting_up import set_up
from snapshot_ingest.ingestion import open_ingestion
from snapshot_ingest.settings import EventsSettings, NatsLoginSettings, NatsSettings
from snapshot_ingest.stack import EmbeddedStack
from snapshot_ingest.takeover.parties import Patience
from snapshot_nats import (
    ConnectionSettings,
    EventsStreamShape,
    OwnStreamShape,
    SafeClient,
    connect,
    ensure_stream,
)
from support.deploy import nats_permissions, nats_permissions_with_events
from support.installation import Fleet, Installation
from support.messages import MORNING, subject_of
from support.nats_server import OwnNatsServer, own_nats_server
from support.waiting import until_true

_PASSWORD = "n4ts-passw0rd"
_STREAM, _CONSUMER = "DEVICE_EVENTS", "config_snapshot_ingest"
_USERS = f"""
authorization {{ users: [
  {{ user: admin, password: "{_PASSWORD}" }},
  {{ user: ingest, password: "{_PASSWORD}", include "ingest.conf" }},
  {{ user: with_events, password: "{_PASSWORD}", include "with_events.conf" }},
  {{ user: provision, password: "{_PASSWORD}", include "provision.conf" }}
] }}
"""
_DENIED = re.compile(r'Subject "([^"]+)"|to "([^"]+)"')
_ANSWER_SECONDS = 5.0


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[OwnNatsServer]:
    """A server with the files of deploy/ beside its configuration."""
    for role in ("ingest", "provision"):
        (tmp_path / f"{role}.conf").write_text(nats_permissions(role))
    (tmp_path / "with_events.conf").write_text(nats_permissions_with_events())
    async with own_nats_server(tmp_path, _USERS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def admin(server: OwnNatsServer) -> AsyncIterator[SafeClient]:
    settings = ConnectionSettings(servers=(server.url,), user="admin", password=_PASSWORD)
    client = await connect(settings)
    yield client
    await client.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def installation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    folder = tmp_path_factory.mktemp("deploy")
    async with EmbeddedStack(folder / "stack") as servers:
        yield Installation(await set_up(folder / "stack", servers.addresses, []), folder)


def _as(server: OwnNatsServer, user: str) -> NatsSettings:
    """The settings that the files ask for."""
    return NatsSettings(
        url=server.url,
        user=user,
        password=Secret(_PASSWORD),
        inbox_prefix="_INBOX_snapshot_ingest",
    )


async def _provision(
    server: OwnNatsServer,
    stream: str = _STREAM,
    own_stream: OwnStreamShape | None = None,
    events: EventsStreamShape | None = None,
) -> None:
    settings = evolve(_as(server, "provision"), stream=stream)
    await provision_nats(nats_connection(settings), settings, own_stream, events)


def _violations(folder: Path) -> set[str]:
    """The subjects that the server denied to anybody, by its own log."""
    log = (folder / "nats.log").read_text()
    lines = [line for line in log.splitlines() if "Violation" in line]
    return {next(filter(None, match.groups())) for match in map(_DENIED.search, lines) if match}


async def _answer(server: OwnNatsServer, user: str, command: str) -> str:
    """What the server says to one protocol command of that user: +OK or an error."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await reader.readline()
            login = {"verbose": True, "headers": True, "user": user, "pass": _PASSWORD}
            writer.write(f"CONNECT {json.dumps(login)}\r\n".encode())
            assert await reader.readline() == b"+OK\r\n"
            writer.write(f"{command}\r\n".encode())
            return (await reader.readline()).decode()
    finally:
        writer.close()


async def _run_until(
    installation: Installation,
    nats: NatsSettings,
    fleet: Fleet,
    rows: int,
    events: EventsSettings | None = None,
) -> None:
    """A worker with these settings, until so many rows of the device are stored."""
    settings = evolve(installation.ready.settings, nats=nats, events=events or EventsSettings())

    async def are_stored() -> bool:
        return len(await installation.times(fleet)) == rows

    async with open_ingestion(settings) as ingestion, ingestion.running():
        await until_true(are_stored)
        assert await ingestion.faults() == {}


async def _publish(admin: SafeClient, fleet: Fleet, hours: Sequence[int]) -> None:
    for hour in hours:
        body = fleet.body(f"text {hour}", MORNING + timedelta(hours=hour))
        await admin.jetstream().publish(subject_of(fleet.device), body, timeout=10)


async def test_a_whole_ingestion_runs_under_the_shipped_permissions(
    installation: Installation, server: OwnNatsServer, admin: SafeClient, tmp_path: Path
) -> None:
    await _provision(server)
    fleet = Fleet()
    await installation.register(fleet)
    await _publish(admin, fleet, range(20))
    await _run_until(installation, _as(server, "ingest"), fleet, 20)
    info = await admin.jetstream().consumer_info(_STREAM, _CONSUMER)
    assert (info.num_pending, info.num_ack_pending) == (0, 0)
    # Looking at the oldest message is left out on purpose.
    assert _violations(tmp_path) <= {f"$JS.API.STREAM.MSG.GET.{_STREAM}"}


async def test_a_worker_makes_a_deleted_consumer_again_under_the_shipped_permissions(
    installation: Installation, server: OwnNatsServer, admin: SafeClient, tmp_path: Path
) -> None:
    await _provision(server)
    await admin.jetstream().delete_consumer(_STREAM, _CONSUMER)
    fleet = Fleet()
    await installation.register(fleet)
    await _publish(admin, fleet, [1])
    await _run_until(installation, _as(server, "ingest"), fleet, 1)
    assert _violations(tmp_path) <= {f"$JS.API.STREAM.MSG.GET.{_STREAM}"}


async def test_with_the_line_for_events_a_worker_publishes_them_and_is_denied_nothing(
    installation: Installation, server: OwnNatsServer, admin: SafeClient, tmp_path: Path
) -> None:
    events = EventsSettings(enabled=True)
    await _provision(server, events=events_stream(events))
    fleet = Fleet()
    await installation.register(fleet)
    await _publish(admin, fleet, range(3))
    # What else this database has stored is published too.
    await _run_until(installation, _as(server, "with_events"), fleet, 3, events)
    subject = f"snapshot_ingest.stored.{fleet.tenant}.{fleet.device}"
    info = await admin.jetstream().stream_info(events.stream, subjects_filter=subject)
    assert info.state.subjects == {subject: 3}
    assert _violations(tmp_path) <= {f"$JS.API.STREAM.MSG.GET.{_STREAM}"}


async def test_provision_makes_both_streams_and_is_denied_nothing(
    server: OwnNatsServer, admin: SafeClient, tmp_path: Path
) -> None:
    shape = OwnStreamShape(max_age=timedelta(hours=1), max_bytes=1_000_000)
    for _ in range(2):
        await _provision(server, "CONFIG_SNAPSHOTS", shape)
        await _provision(server, events=events_stream(EventsSettings(enabled=True)))
    for stream in (_STREAM, "CONFIG_SNAPSHOTS"):
        assert await admin.jetstream().consumer_info(stream, _CONSUMER)
    assert _violations(tmp_path) == set()


async def test_a_take_over_and_its_undoing_are_denied_nothing(
    installation: Installation, server: OwnNatsServer, admin: SafeClient, tmp_path: Path
) -> None:
    fleet = Fleet()
    await installation.register(fleet)
    await ensure_stream(admin)
    former = await admin.jetstream().subscribe(
        "config.snapshot.>",
        durable=_CONSUMER,
        stream=_STREAM,
        manual_ack=True,
        config=ConsumerConfig(ack_wait=1),
    )
    await _publish(admin, fleet, [1, 2])
    await (await former.next_msg(5)).ack_sync()
    await former.unsubscribe()
    login = NatsLoginSettings(user="provision", password=Secret(_PASSWORD))
    settings = installation.ready.settings
    settings = evolve(
        settings, nats=_as(server, "ingest"), admin=evolve(settings.admin, nats=login)
    )
    asked = TakeOverOptions(for_real=True)
    for deed in (asked, evolve(asked, back=True), asked):
        await carried_out(settings, deed, lambda _: None, Patience(reconnect=timedelta()))
    await _run_until(installation, settings.nats, fleet, 1)
    assert _violations(tmp_path) <= {f"$JS.API.STREAM.MSG.GET.{_STREAM}"}


_NOBODYS = [
    "PUB config.snapshot.create.x 0\r\n",
    "PUB device.status.x 0\r\n",
    f"PUB $JS.API.STREAM.DELETE.{_STREAM} 0\r\n",
    f"PUB $JS.API.STREAM.PURGE.{_STREAM} 0\r\n",
    f"PUB $JS.API.STREAM.UPDATE.{_STREAM} 0\r\n",
    f"PUB $JS.API.STREAM.MSG.GET.{_STREAM} 0\r\n",
    f"PUB $JS.API.DIRECT.GET.{_STREAM} 0\r\n",
    f"PUB $JS.API.STREAM.MSG.DELETE.{_STREAM} 0\r\n",
    f"PUB $JS.API.STREAM.SNAPSHOT.{_STREAM} 0\r\n",
    "PUB snapshot_ingest.stored.x 0\r\n",
    "PUB $JS.API.STREAM.CREATE.OTHER 0\r\n",
    "PUB $JS.API.STREAM.LIST 0\r\n",
    f"PUB $JS.API.CONSUMER.LIST.{_STREAM} 0\r\n",
    f"PUB $JS.API.CONSUMER.DURABLE.CREATE.{_STREAM}.other 0\r\n",
    f"PUB $JS.API.CONSUMER.CREATE.{_STREAM} 0\r\n",
    f"PUB $JS.API.CONSUMER.CREATE.{_STREAM}.{_CONSUMER} 0\r\n",
    f"PUB $JS.API.CONSUMER.MSG.NEXT.{_STREAM}.other 0\r\n",
    f"PUB $JS.ACK.{_STREAM}.other.1.1.1.1.1 0\r\n",
    "SUB > 1",
    "SUB config.snapshot.> 1",
    "SUB device.> 1",
    "SUB _INBOX.> 1",
    "SUB $JS.> 1",
]
_FORBIDDEN = {
    "with_events": [
        *(command for command in _NOBODYS if "snapshot_ingest.stored" not in command),
        "PUB snapshot_ingest.other 0\r\n",
        "PUB $JS.API.STREAM.INFO.SNAPSHOT_EVENTS 0\r\n",
        "SUB snapshot_ingest.> 1",
    ],
    "ingest": [*_NOBODYS, f"PUB $JS.API.STREAM.CREATE.{_STREAM} 0\r\n"],
    "provision": [
        *_NOBODYS,
        f"PUB $JS.API.CONSUMER.MSG.NEXT.{_STREAM}.{_CONSUMER} 0\r\n",
        f"PUB $JS.ACK.{_STREAM}.{_CONSUMER}.1.1.1.1.1 0\r\n",
    ],
}


@pytest.mark.parametrize("user", sorted(_FORBIDDEN))
async def test_a_role_is_refused_what_is_not_its_own(
    server: OwnNatsServer, admin: SafeClient, user: str
) -> None:
    assert (await _answer(server, user, "SUB _INBOX_snapshot_ingest.x 1")).startswith("+OK")
    await _provision(server)
    for command in _FORBIDDEN[user]:
        assert (await _answer(server, "admin", command)).startswith("+OK"), command
        await _provision(server)
        assert "Permissions Violation" in await _answer(server, user, command), command
    assert admin.is_connected
