"""`snapshot-ingest up`: real servers, a worker, and something to ingest, on one machine."""

import asyncio
import json
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen
from rich.console import Console

from snapshot_domain.errors import Unavailable
from snapshot_domain.tasks import cancel
from snapshot_ingest.clock import SystemClock
from snapshot_ingest.connections import admin_nats_connection, message_source, postgres_pool
from snapshot_ingest.embedded.files import write_stack_json
from snapshot_ingest.embedded.own_servers import refuse_other_servers
from snapshot_ingest.embedded.pacing import PacedPublisher
from snapshot_ingest.embedded.progress import Progress
from snapshot_ingest.embedded.registration import register
from snapshot_ingest.embedded.setting_up import ReadyStack, administration, set_up
from snapshot_ingest.embedded.summary import Accounts, Summary
from snapshot_ingest.embedded.summary_table import summary_table
from snapshot_ingest.embedded.workload import Workload, workload_of
from snapshot_ingest.http.app import http_app
from snapshot_ingest.http.server import serving
from snapshot_ingest.ingestion import Ingestion, open_ingestion
from snapshot_ingest.logs import set_up_logging
from snapshot_ingest.signals import first_of, stop_signals
from snapshot_ingest.stack import EmbeddedStack, StackPorts
from snapshot_ingest.tally import Tally
from snapshot_nats import JetStreamSource, SafeClient, SnapshotPublisher, connect
from snapshot_postgres import PostgresStatus, connected

DEFAULT_DATA_DIR = Path("snapshot-ingest-data")

_IDLE_LOOKS = 2
_LOOK_AGAIN_SECONDS = 0.2


@frozen
class UpOptions:
    """What the command line asks for. `data_dir` is None for a directory that is thrown away."""

    data_dir: Path | None
    ports: StackPorts
    simulate: int | None
    rounds: int
    seed: int
    publish: Sequence[Path]
    until_idle: bool
    with_worker: bool
    as_json: bool
    overrides: Sequence[str]


async def up(options: UpOptions, log_level: str) -> None:
    """Runs until it is stopped, or until the backlog is empty; then sums up."""
    refuse_other_servers(options.overrides)
    workload = workload_of(
        simulate=options.simulate,
        publish=options.publish,
        seed=options.seed,
        rounds=options.rounds,
        now=datetime.now(UTC),
    )
    console = Console(stderr=True)
    with stop_signals() as stopping, _directory(options.data_dir) as directory:
        console.print("starting nats-server, PostgreSQL and OpenBao", highlight=False)
        async with EmbeddedStack(directory, ports=options.ports) as stack:
            _log_to(directory / "logs" / "snapshot-ingest.log", log_level)
            ready = await set_up(directory, stack.addresses, options.overrides)
            run = _Run(ready, workload, directory, console, stopping, options.with_worker)
            summary = await run.until_done(until_idle=options.until_idle)
    _print(summary, as_json=options.as_json)


@frozen(eq=False)
class _Run:
    """One run on a stack that is ready: with a worker, or beside somebody else's."""

    ready: ReadyStack
    workload: Workload
    directory: Path
    console: Console
    stopping: asyncio.Event
    with_worker: bool

    async def until_done(self, *, until_idle: bool) -> Summary:
        """Registers, ingests and publishes; returns what became of everything."""
        settings, addresses = self.ready.settings, self.ready.addresses
        tally = Tally()
        async with AsyncExitStack() as stack:
            ingestion = await stack.enter_async_context(open_ingestion(settings, watchers=[tally]))
            app = http_app(lambda: ingestion.registry, ingestion.faults)
            url = await stack.enter_async_context(serving(app, settings.http))
            client = await stack.enter_async_context(_nats_client(self.ready))
            looking = message_source(settings.nats)
            stack.push_async_callback(looking.close)
            pool = await stack.enter_async_context(
                postgres_pool("admin.postgres", settings.admin.postgres)
            )
            await self._register()
            accounts = Accounts(client, PostgresStatus(pool), settings, tally)
            await accounts.open()
            write_stack_json(self.directory / "stack.json", addresses, self.ready.ingest, url)
            self._greet(url)
            progress = asyncio.create_task(self._show(Progress(self.console, tally, looking, url)))
            try:
                await self._ingest(ingestion, client, looking, accounts, until_idle=until_idle)
            finally:
                await cancel(progress)
            return await accounts.close()

    async def _register(self) -> None:
        addresses = self.ready.addresses
        async with (
            connected(addresses.postgres_admin_dsn) as connection,
            administration(addresses.openbao_url, addresses.admin_approle) as openbao,
        ):
            await register(connection, openbao, self.workload.tenants(), self.workload.devices())

    async def _ingest(
        self,
        ingestion: Ingestion,
        client: SafeClient,
        looking: JetStreamSource,
        accounts: Accounts,
        *,
        until_idle: bool,
    ) -> None:
        """Publishes while the worker ingests, until it is idle or told to stop."""
        publisher = PacedPublisher(SnapshotPublisher(client), looking, SystemClock())
        publishing = asyncio.create_task(self._publish(publisher, looking, until_idle=until_idle))
        async with AsyncExitStack() as stack:
            at_work = [publishing]
            if self.with_worker:
                at_work.append(await stack.enter_async_context(ingestion.running()))
            try:
                await first_of(self.stopping, *at_work)
            finally:
                accounts.stop_clock()
                await cancel(publishing)

    async def _publish(
        self, publisher: PacedPublisher, looking: JetStreamSource, *, until_idle: bool
    ) -> None:
        await publisher.publish_all(self.workload.messages())
        if until_idle:
            await _idle(looking)
        else:
            await self.stopping.wait()

    def _greet(self, url: str) -> None:
        stack_json = self.directory / "stack.json"
        what = self.workload.message_count or "whatever comes"
        self.console.print(
            f"ingesting {what}; metrics at {url}/metrics; connect with {stack_json}"
            if self.with_worker
            else f"no worker here: {what} for whoever connects; connect with {stack_json}",
            highlight=False,
            soft_wrap=True,
        )

    async def _show(self, progress: Progress) -> None:
        """What a worker elsewhere does, its own process shows."""
        if self.with_worker:
            await progress.run()


async def _idle(source: JetStreamSource) -> None:
    """Returns when the backlog has been empty at two looks in a row."""
    looks = 0
    while looks < _IDLE_LOOKS:
        looks = looks + 1 if await _is_empty(source) else 0
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _is_empty(source: JetStreamSource) -> bool:
    try:
        return (await source.backlog()).is_empty
    except Unavailable:
        return False  # it comes back, and the worker waits for it too


@asynccontextmanager
async def _nats_client(ready: ReadyStack) -> AsyncIterator[SafeClient]:
    client = await connect(admin_nats_connection(ready.settings))
    try:
        yield client
    finally:
        await client.close()


@contextmanager
def _directory(data_dir: Path | None) -> Iterator[Path]:
    """The given directory, or one that is removed at the end."""
    if data_dir is not None:
        yield data_dir.expanduser().absolute()
        return
    root = Path(tempfile.mkdtemp(prefix="snapshot-ingest-"))
    try:
        yield root / "stack"
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _log_to(path: Path, level: str) -> None:
    """The terminal is for progress; what the worker has to say goes into a file."""
    set_up_logging(level, logging.FileHandler(path, encoding="utf-8"))


def _print(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary.as_dict()))  # noqa: T201 - the command's output
        return
    Console(highlight=False).print(summary_table(summary))
