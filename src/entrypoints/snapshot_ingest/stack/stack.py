"""The embedded stack: real nats-server, PostgreSQL and OpenBao on loopback, as one thing."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from attrs import frozen

from snapshot_ingest.stack import wheels
from snapshot_ingest.stack.addresses import Pids, StackAddresses
from snapshot_ingest.stack.directory import StackDirectory
from snapshot_ingest.stack.errors import StackError
from snapshot_ingest.stack.identity import unprivileged_identity
from snapshot_ingest.stack.nats import NatsServer
from snapshot_ingest.stack.nats_users import USERS, NatsUser
from snapshot_ingest.stack.openbao import OpenBaoServer
from snapshot_ingest.stack.ports import FREE_PORTS, ReservedPorts, StackPorts
from snapshot_ingest.stack.postgres import PostgresServer
from snapshot_ingest.stack.process import ServerProcess
from snapshot_ingest.stack.server import Server

ServerName = Literal["nats", "postgres", "openbao"]

# The intake ends first, the store last.
_STOP_ORDER: tuple[ServerName, ...] = ("nats", "openbao", "postgres")


class EmbeddedStack:
    """Runs the three servers while its `async with` block lasts.

    `data_dir` is made where it does not exist. A second start with the same directory continues
    from what the first one stored. Everything listens on 127.0.0.1 only. The servers end with
    the thread that entered the block, however it ends. `nats_users` are those of NATS, each known
    by its name; other permissions than the usual ones are for other streams.

    Without `audited` OpenBao keeps no audit log, and without `encrypted` the stream is in clear on
    disk: to measure what these cost, and never for content that matters.

    Raises, on entering:
        StackError: a wheel is missing, a port is taken, the directory is in use, half made or
            not ours, or a server does not start.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        ports: StackPorts = FREE_PORTS,
        nats_users: Sequence[NatsUser] = USERS,
        audited: bool = True,
        encrypted: bool = True,
    ) -> None:
        self._directory = StackDirectory(data_dir)
        self._ports = ports
        self._nats_users = nats_users
        self._audited = audited
        self._encrypted = encrypted
        self._undo = AsyncExitStack()
        self._servers: _Servers | None = None
        self._processes: dict[ServerName, ServerProcess] = {}
        self._hurried = False

    async def __aenter__(self) -> Self:
        try:
            async with AsyncExitStack() as undo:
                await self._open(undo)
                self._undo = undo.pop_all()
        except OSError as error:
            failure = _unwritable(error)
        else:
            return self
        raise failure

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._undo.aclose()

    @property
    def addresses(self) -> StackAddresses:
        """Where the servers are found now: `start` and `restart` change the process ids."""
        servers = self._opened()
        nats, postgres, openbao = servers.nats, servers.postgres, servers.openbao
        return StackAddresses(
            nats_url=nats.admin_url,
            nats_credentials=None,
            nats_ingest=nats.ingest,
            nats_provision=nats.provision,
            nats_admin=nats.admin,
            postgres_admin_dsn=postgres.admin_dsn,
            openbao_url=openbao.url,
            ingest_approle=openbao.ingest,
            reader_approle=openbao.reader,
            operator_approle=openbao.operator,
            admin_approle=openbao.admin,
            pids=Pids(**{name: process.pid for name, process in self._processes.items()}),
            nats_log=nats.log,
            postgres_log=postgres.log,
            openbao_log=openbao.log,
            openbao_audit_log=openbao.audit_log,
            nats_store=nats.store,
            postgres_data=postgres.data,
            openbao_data=openbao.data,
        )

    async def start(self, name: ServerName) -> None:
        """Starts one server that was stopped or killed, on the port it had.

        Raises:
            StackError: it does not start.
        """
        server = self._opened().named(name)
        process = ServerProcess(server.command(), kept_open=self._directory.lock_fd)
        self._processes[name] = process
        await process.wait_until_ready(server.is_ready, within=server.start_deadline)

    async def stop(self, name: ServerName) -> None:
        """Ends one server in its own orderly way."""
        if name in self._processes:
            await self._processes[name].stop()

    async def kill(self, name: ServerName) -> None:
        """Ends one server as a crash would."""
        await self._processes[name].kill()

    async def restart(self, name: ServerName) -> None:
        """Stops one server and starts it again on the port it had.

        Raises:
            StackError: it does not start.
        """
        await self.stop(name)
        await self.start(name)

    async def _open(self, undo: AsyncExitStack) -> None:
        programs = _Programs.locate()
        directory = self._directory
        await directory.claim()
        undo.enter_context(directory)
        ports = undo.enter_context(ReservedPorts(self._ports))
        self._servers = servers = _Servers.build(
            programs,
            directory,
            ports,
            self._nats_users,
            audited=self._audited,
            encrypted=self._encrypted,
        )
        # Last in, first out: the servers are stopped before what they made is dropped.
        undo.callback(directory.drop_if_half_made)
        for name in reversed(_STOP_ORDER):
            undo.push_async_callback(self._stop_for_good, name)
        if directory.is_new:
            directory.begin_making()
            await _together(self._make_and_start(name) for name in _STOP_ORDER)
            directory.end_making()
        else:
            directory.require(*servers.needed())
            await _together(self.start(name) for name in _STOP_ORDER)

    async def _stop_for_good(self, name: ServerName) -> None:
        """Stops one of all the servers; whoever cancels that wants the others gone at once too."""
        if self._hurried and name in self._processes:
            await self.kill(name)
            return
        try:
            await self.stop(name)
        except asyncio.CancelledError:
            self._hurried = True
            raise

    async def _make_and_start(self, name: ServerName) -> None:
        await self._opened().named(name).make()
        await self.start(name)

    def _opened(self) -> "_Servers":
        if self._servers is None:
            raise StackError(
                "the embedded stack is not running",
                expected="it to be entered with `async with` first",
            )
        return self._servers


@frozen
class _Programs:
    nats_server: Path
    initdb: Path
    postgres: Path
    openbao: Path

    @classmethod
    def locate(cls) -> "_Programs":
        return cls(
            nats_server=wheels.locate(wheels.NATS_SERVER),
            initdb=wheels.locate(wheels.INITDB),
            postgres=wheels.locate(wheels.POSTGRES),
            openbao=wheels.locate(wheels.OPENBAO),
        )


@frozen
class _Servers:
    nats: NatsServer
    postgres: PostgresServer
    openbao: OpenBaoServer

    @classmethod
    def build(
        cls,
        programs: _Programs,
        directory: StackDirectory,
        ports: ReservedPorts,
        nats_users: Sequence[NatsUser],
        *,
        audited: bool,
        encrypted: bool,
    ) -> "_Servers":
        identity = unprivileged_identity([directory.postgres, programs.postgres])
        return cls(
            nats=NatsServer(
                programs.nats_server, directory, ports.nats, nats_users, encrypted=encrypted
            ),
            postgres=PostgresServer(
                programs.initdb, programs.postgres, directory, ports.postgres, identity
            ),
            openbao=OpenBaoServer(
                programs.openbao,
                directory,
                ports.openbao,
                ports.openbao_cluster,
                audited=audited,
            ),
        )

    def named(self, name: ServerName) -> Server:
        by_name: dict[ServerName, Server] = {
            "nats": self.nats,
            "postgres": self.postgres,
            "openbao": self.openbao,
        }
        return by_name[name]

    def needed(self) -> tuple[Path, ...]:
        return (*self.nats.needed, *self.postgres.needed, *self.openbao.needed)


async def _together(starts: Iterable[Coroutine[None, None, None]]) -> None:
    """Runs all at once; the first that fails ends the others, and is raised for all."""
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for start in starts:
                group.create_task(start)
    except ExceptionGroup as failures:
        foreseen = (each for each in failures.exceptions if isinstance(each, StackError | OSError))
        failure = next(foreseen, None)
        if failure is None:
            raise
    if failure is not None:
        raise failure


def _unwritable(error: OSError) -> StackError:
    return StackError(
        f"the stack cannot start: {error.strerror}: {error.filename}",
        expected="room in its directory, and the right to write there",
        next_step="mend that and start again",
    )
